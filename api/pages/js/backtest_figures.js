// The figures of a test: which are shown, under which name, with which meaning, and how each is written.

import * as format from "./format.js";

const share = (value) => format.percent(value === null ? null : value * 100);
const plainShare = (value) => format.percent(value === null ? null : value * 100, { signed: false });
const money = (value) => format.money(value, { signed: true });
const days = (value) => format.money(value, { places: 0 });
const number = (value) => format.money(value);

/** [key, name, how it is written, whether more is better (null: neither), what it means]. */
export const FIGURES = [
  ["total_return", "Return", share, true, "Of the starting capital, after fees and slippage."],
  ["cagr", "Return a year, compounded", share, true, "As if the span had been repeated."],
  ["max_drawdown", "Deepest fall", share, true, "From a peak of equity to the lowest point after it."],
  ["max_drawdown_days", "Days under water", days, false, "From that peak until it was reached again, or the end."],
  ["sharpe", "Sharpe", number, true, "Return over its own ups and downs, a year."],
  ["sortino", "Sortino", number, true, "The same against falls only."],
  ["calmar", "Calmar", number, true, "Yearly return over the deepest fall."],
  ["profit_factor", "Profit factor", number, true, "Won over lost; 1 is nothing gained."],
  ["trades", "Trades", (value) => format.quantity(value), null, "Closed within the span."],
  ["win_rate", "Won", plainShare, true, "Of all trades; means little without what was won and lost."],
  ["expectancy", "Average result, USDT", money, true, "Of a trade, after fees."],
  ["average_win", "Average win, USDT", money, true, ""],
  ["average_loss", "Average loss, USDT", money, true, ""],
  ["average_r", "Average R", format.multiple, true, "Against what was risked at the stop."],
  ["consecutive_losses", "Losses in a row", (value) => format.quantity(value), false, "The longest run."],
  ["average_holding_hours", "Held on average, hours", number, null, ""],
  ["exposure", "Time in the market", plainShare, null, ""],
  ["fees", "Fees, USDT", number, false, "All of them, both sides."],
  ["value_at_risk", "A bad day", share, true, "Worse than this one day in twenty."],
  ["final_equity", "Final equity, USDT", number, true, ""],
];

/** Which of two values is better under a figure: -1 the first, 1 the second, 0 neither. */
export function better(more, one, other) {
  if (
    more === null
      || one === null
      || other === null
      || one === other
      || one === undefined
      || other === undefined
  ) return 0;
  return (one > other) === more ? -1 : 1;
}
