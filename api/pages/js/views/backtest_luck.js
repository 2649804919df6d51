// Whether a test was luck: what other orders of the same trades would have made, what a search found by choosing, what
// walking forward kept of it, and whether one version beats another; and where the result came from.

import { Wish } from "../api.js";
import { h } from "../dom.js";
import * as format from "../format.js";
import { card, cell, facts, signed, table } from "../parts.js";
import { go } from "../router.js";
import { failed, toast } from "../toast.js";

const share = (value) => format.percent(value === null || value === undefined ? null : value * 100);
const chance = (value) => format.share(value, 1);
const NOT_ASSUMED = new Set(["rules", "order_of_events"]);

/** The cards of whatever a test holds beside its figures. */
export function luckCards(found) {
  return [
    found.monte_carlo ? card("Was it luck?", orders(found.monte_carlo)) : null,
    found.comparison ? card("Better, or luck?", versions(found)) : null,
    found.search ? card("What the search found", searched(found.search)) : null,
    found.walk_forward ? card("Walking forward", walked(found.walk_forward)) : null,
    found.breakdown ? h(
      "div.grid", card("By month", months(found.breakdown.monthly), { flush: true }),
      card("By side and ending", parts(found.breakdown), { flush: true })
    ) : null,
  ];
}

/** Buttons that ask further about a plain test. */
export function askFurther(found) {
  const wish = new Wish();
  const run = async () => {
    try {
      opened(await wish.send("POST", "/api/backtest/monte-carlo", { ...again(found), runs: 2000 }));
    } catch (error) {
      failed(error, "Not run");
    }
  };
  return h("button.button.slim", { type: "button", onclick: run }, "Was it luck?");
}

/** A button that tests whether the second of two tests beats the first by more than chance. */
export function askWhetherBetter(one, two) {
  const wish = new Wish();
  const run = async () => {
    try {
      opened(await wish.send("POST", "/api/backtest/compare", { ...again(one), other: two.strategy }));
    } catch (error) {
      failed(error, "Not compared");
    }
  };
  return h("button.button", { type: "button", onclick: run }, "Better, or luck?");
}

function opened(answer) {
  if (!answer.job) return go(`backtests/${answer.id}`);
  toast("It takes a moment; its progress is shown here.", { level: "info" });
  return go("backtests");
}

/** The same test once more, as a wish. */
function again({ strategy, data, assumptions }) {
  const assumed = Object.fromEntries(Object.entries(assumptions).filter(
    ([name, value]) => value !== null && !NOT_ASSUMED.has(name)
  ));
  return {
    strategy, symbol: data.symbol, timeframe: data.timeframe, from: data.from, to: data.to, exchange: data.origin,
    assumptions: assumed,
  };
}

function orders(luck) {
  const rows = [
    ["Return", luck.total_return, share], ["Deepest fall", luck.max_drawdown, share],
    ["Losses in a row", luck.consecutive_losses, format.quantity],
  ];
  const made = table(
    "Other orders of the same trades",
    [
      { name: "Figure" }, { name: "Worst of 20", num: true }, { name: "Worst quarter", num: true },
      { name: "Middle", num: true }, { name: "Best quarter", num: true }, { name: "Best of 20", num: true },
    ],
    { folds: false }
  );
  made.body.append(...rows.map(([name, each, write]) => h("tr", h("th.figure-name", { scope: "row" }, name),
    (
      name === "Losses in a row"
        ? ["p95", "p75", "p50", "p25", "p5"]
        : ["p5", "p25", "p50", "p75", "p95"]
    ).map((key) => cell("", write(each[key]), { num: true })))));
  return h(
    "div.stack",
    h(
      "p",
      `The trades of this test were drawn anew ${format.quantity(luck.runs)} times. ${chance(luck.loss_probability)} of the draws lost money; ${chance(luck.ruin_probability)} lost ${format.share(luck.ruin_level)} or more of the capital; ${chance(luck.deeper_than_actual)} fell deeper than the test itself.`
    ),
    made.element
  );
}

function versions({ strategy, b, comparison }) {
  const rows = [
    ["Return a year", comparison.annual_return, share],
    ["Sharpe", comparison.sharpe, (value) => format.money(value, { signed: true })],
  ];
  const made = table(
    "Two versions",
    [
      { name: "Figure" }, { name: strategy.name, num: true }, { name: b.strategy.name, num: true },
      { name: "Difference", num: true }, { name: "95 % lie between", num: true }, { name: "Chance alone", num: true },
    ]
  );
  made.body.append(...rows.map(([
    name, each, write,
  ]) => h("tr",
    h("th.figure-name", { scope: "row" }, name), cell(strategy.name, write(each.a), { num: true }),
    cell(b.strategy.name, write(each.b), { num: true }),
    cell("Difference", write(each.difference), { num: true }),
    cell("95 % lie between", each.interval.map(write).join(" and "), { num: true }),
    cell("Chance alone", chance(each.p_value), { num: true }))));
  const names = { a: strategy.name, b: b.strategy.name };
  return h(
    "div.stack",
    h(
      "p.strong",
      comparison.better
        ? `${names[comparison.better] ?? comparison.better} is better by more than chance would do.`
        : "Neither is better by more than chance would do."
    ),
    made.element
  );
}

function searched(search) {
  const names = [...new Set(search.ranking.flatMap((each) => Object.keys(each.parameters)))];
  const made = table(
    "Ranking",
    [
      ...names.map((name) => ({ name: format.words(name), num: true })), { name: "Score", num: true },
      { name: "Return", num: true }, { name: "Deepest fall", num: true }, { name: "Trades", num: true },
    ]
  );
  made.body.append(...search.ranking.slice(0, 20).map((each) => h("tr", names.map((name) => cell(
    format.words(name), format.figure(each.parameters[name]), { num: true }
  )),
    cell("Score", format.figure(each.score), { num: true }),
    cell("Return", share(each.figures.total_return), { num: true }),
    cell("Deepest fall", share(each.figures.max_drawdown), { num: true }),
    cell("Trades", each.figures.trades, { num: true }))));
  const luck = search.luck ?? {};
  return h("div.stack",
    h(
      "p",
      `${search.scored} of ${search.trials} trials had enough trades to be ranked by ${format.words(search.objective).toLowerCase()}.`
    ),
    facts(["Stability of the neighbours", format.share(search.stability)],
      luck.deflated_sharpe ? ["Real, given so many trials", chance(luck.deflated_sharpe.probability)] : null,
      luck.overfitting ? ["Probably overfitted", chance(luck.overfitting.probability)] : null), made.element);
}

function walked(walk) {
  const made = table(
    "Steps",
    [
      { name: "Tested from" }, { name: "Chosen" }, { name: "In the stretch it was chosen on", num: true },
      { name: "In the next", num: true }, { name: "Trades", num: true },
    ]
  );
  made.body.append(...walk.steps.map(step));
  return h(
    "div.stack",
    h(
      "p",
      `Of what was gained where the parameters were chosen, ${format.share(walk.efficiency)} was kept in the stretch after it; ${format.share(walk.profitable_tests)} of those stretches made money.`
    ),
    made.element
  );
}

/** One stretch; where nothing had enough trades to be chosen, nothing was traded in the next. */
function step({ test_from: from, parameters, in_sample: before, out_of_sample: after }) {
  const chosen = Object.entries(parameters ?? {}).map((
    [name, value]
  ) => `${format.words(name).toLowerCase()} ${format.figure(value)}`);
  return h("tr",
    cell("Tested from", new Date(from).toISOString().slice(0, 10)),
    cell("Chosen", chosen.join(", ") || "nothing had enough trades", { wide: true }),
    cell("In the stretch it was chosen on", signed(before?.total_return, share), { num: true }),
    cell("In the next", signed(after?.total_return, share), { num: true }),
    cell("Trades", after?.trades ?? format.NOTHING, { num: true }));
}

function months(rows) {
  const made = table("Return by month", [{ name: "Month" }, { name: "Return", num: true }], { folds: false });
  made.body.append(...rows.map(
    (each) => h(
      "tr", cell("Month", `${each.year}-${String(each.month).padStart(2, "0")}`),
      cell("Return", signed(each.return, share), { num: true })
    )
  ));
  return h("div.short-list", made.element);
}

function parts({ by_side: sides = [], by_exit_reason: endings = [] }) {
  const made = table(
    "By side and ending",
    [{ name: "Which" }, { name: "Trades", num: true }, { name: "Won", num: true }, { name: "Result", num: true }],
    { folds: false }
  );
  made.body.append(...[
    ...sides.map((each) => [each.side, each]), ...endings.map((each) => [each.exit_reason, each])
  ].map(([name, each]) => h("tr", cell("Which", format.words(name)),
    cell("Trades", each.trades, { num: true }), cell("Won", format.share(each.win_rate), { num: true }),
    cell("Result", signed(each.net_profit), { num: true }))));
  return made.element;
}
