// One finished test: its figures beside buying and holding, its equity, its trades on the candles, what was assumed; or two
// tests side by side.

import { call, token } from "../api.js";
import { better, FIGURES } from "../backtest_figures.js";
import { candleChart, lineChart } from "../chart.js";
import { ask } from "../dialog.js";
import { fill, h, say } from "../dom.js";
import * as format from "../format.js";
import { innerPage } from "../market_chart.js";
import { card, cell, empty, facts, head, loads, side, signed, table } from "../parts.js";
import { go } from "../router.js";
import { failed, toast } from "../toast.js";
import { askFurther, askWhetherBetter, luckCards } from "./backtest_luck.js";

const SHOWN_TRADES = 200;
const AROUND = 120; // candles on either side of a trade
const MINUTES = { m: 1, h: 60, d: 1440, w: 10_080 };

/** The page; with `other` two tests are compared. */
export function show(page, { id, other }) {
  const back = h("a.button.bare", { href: "#/backtests" }, "All tests");
  if (other) {
    return [
      head("Two tests", back),
      loads(
        "The tests", () => Promise.all([read(page, id), read(page, other)]), ([one, two]) => comparison(page, one, two)
      ),
    ];
  }
  return [head("Backtest", back), loads("The test", () => read(page, id), (found) => whole(page, found))];
}

function read(page, id) {
  return call("GET", `/api/backtest/${encodeURIComponent(id)}`, { signal: page.leaving.signal });
}

function whole(page, found) {
  const chart = tradesChart(page, found);
  return [
    h("p.quiet", described(found)), notes(found.warnings),
    h(
      "div.form-actions", download(found, "report", "Download the report", "report.html"),
      download(found, "trades.csv", "Trades as CSV", "trades.csv"),
      found.kind === "backtest" ? askFurther(found) : null, forget(found)
    ),
    h(
      "div.grid-2", card("Figures", figures(found)),
      h(
        "div.stack", card("Equity", equity(page, [found])),
        found.trades ? card("Trades on the candles", chart.element) : null
      )
    ),
    luckCards(found),
    found.trades ? card(
      `Trades${found.trades.length > SHOWN_TRADES ? `, the last ${SHOWN_TRADES} of ${found.metrics.trades}` : ""}`,
      trades(found, chart), { flush: true }
    ) : null,
    card("What was assumed", assumed(found))];
}

function described({ strategy, data, metrics }) {
  return `${strategy.name ?? format.words(strategy)} on ${format.pair(data.symbol ?? (data.symbols ?? []).join(", "))}, ${data.timeframe}, ${day(data.from)} to ${day(data.to)}: ${metrics.trades} trades over ${format.quantity(data.rows)} candles.`;
}

function day(at) {
  return new Date(at).toISOString().slice(0, 10);
}

function notes(warnings) {
  if (!warnings?.length) return null;
  return h("ul.trouble.points", { "aria-label": "Warnings" }, warnings.map((each) => h("li", each.message)));
}

function figures({ metrics, benchmark }) {
  const made = table(
    "Figures", [{ name: "Figure" }, { name: "This test", num: true }, { name: "Buy and hold", num: true }],
    { folds: false }
  );
  made.body.append(...FIGURES.filter(
    ([key]) => metrics[key] !== undefined
  ).map(([key, name, write, , meaning]) => h("tr",
    h(
      "th.figure-name", { scope: "row", title: meaning || null }, name,
      meaning ? h("span.unseen", ` (${meaning})`) : null
    ),
    cell(
      "This test", h("span", { class: format.tone(coloured(key, metrics[key])) }, write(metrics[key])), { num: true }
    ),
    cell("Buy and hold", benchmark?.[key] === undefined ? format.NOTHING : write(benchmark[key]), { num: true }))));
  return made.element;
}

function coloured(key, value) {
  return ["total_return", "cagr", "expectancy", "average_r"].includes(key) ? value : null;
}

function points(found) {
  const seen = new Map(found.equity.map(([at, value]) => [Math.floor(at / 1000), value]));
  return [...seen].sort((one, other) => one[0] - other[0]).map(([time, value]) => ({ time, value }));
}

function equity(page, tests) {
  const text = tests.map(
    (each) => `${each.strategy.name}: ${format.money(points(each)[0]?.value)} to ${format.money(each.metrics.final_equity)}`
  ).join("; ");
  const place = h("div.chart.equity-chart", { role: "img", "aria-label": `Equity. ${text}.` });
  lineChart(page, place, ...tests.map(points));
  return h(
    "figure", place,
    h(
      "figcaption.quiet.small",
      tests.length > 1 ? tests.map((each, index) => h(
        "span.curve-name", { "data-curve": index }, `${index ? "– –" : "—"} ${each.strategy.name} `
      )) : `${text}.`
    )
  );
}

function secondsOf(timeframe) {
  return Number.parseInt(timeframe, 10) * MINUTES[timeframe.slice(-1)] * 60;
}

/** The candles around a trade, with its entry, stop and exit. `look(trade)` shows another. */
function tradesChart(page, found) {
  const area = h("div.chart", { role: "img", "aria-label": "The trade on the candles" });
  const note = h("p.quiet.small", "Choose a trade below.");
  let inside = null;
  const look = async (trade) => {
    inside?.close();
    const mine = (inside = innerPage(page));
    const seconds = secondsOf(found.data.timeframe);
    const symbol = trade.symbol ?? found.data.symbol;
    say(note, "Reading the candles…");
    try {
      const before = new Date(Math.min(trade.exit_time + AROUND * seconds * 1000, Date.now())).toISOString();
      const limit = Math.min(1500, Math.ceil((trade.exit_time - trade.entry_time) / 1000 / seconds) + 2 * AROUND);
      const answer = await call(
        "GET", `/api/candles/${symbol}`,
        {
          query: { timeframe: found.data.timeframe, before, limit, exchange: found.data.origin },
          signal: page.leaving.signal,
        }
      );
      if (mine.closed) return;
      fill(area);
      area.setAttribute("aria-label", sentence(trade, symbol));
      const candles = answer.candles.map((each) => (
        { ...each, time: Math.floor(new Date(each.time).getTime() / 1000) }
      ));
      await candleChart(
        mine, area,
        { candles, levels: levels(trade), marks: marks(found.trades, trade, candles[0]?.time ?? 0), seconds }
      );
      say(
        note, `${sentence(trade, symbol)}${answer.exchange === "simulated" ? " Candles of the simulated market." : ""}`
      );
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.kind === undefined) throw error;
      fill(area);
      say(note, `The candles of that time are not stored here: ${error.message}`);
    }
  };
  if (found.trades?.length) look(found.trades.at(-1));
  return { element: h("div", area, note), look };
}

function sentence(trade, symbol) {
  return `${format.pair(symbol)} ${trade.side} from ${format.price(trade.entry_price)} to ${format.price(trade.exit_price)}, ${format.words(trade.exit_reason).toLowerCase()}, ${format.money(trade.pnl, { signed: true })}.`;
}

function levels(trade) {
  const found = [
    { price: trade.entry_price, kind: "entry", title: "entry", done: true },
    { price: trade.exit_price, kind: "exit", title: "exit", done: true },
  ];
  return trade.initial_stop ? [...found, { price: trade.initial_stop, kind: "stop", title: "stop" }] : found;
}

function marks(all, chosen, from) {
  const near = all.filter((each) => each.exit_time / 1000 >= from && each.entry_time <= chosen.exit_time + 1e9);
  return near.flatMap((each) => [
    {
      time: Math.floor(each.entry_time / 1000), kind: "entry", text: each === chosen ? "entry" : "",
      long: each.side === "long",
    },
    {
      time: Math.floor(each.exit_time / 1000), kind: each.pnl >= 0 ? "target" : "stop",
      text: format.money(each.pnl, { signed: true }), long: each.side === "long",
    },
  ]).sort((one, other) => one.time - other.time);
}

function trades(found, chart) {
  if (!found.trades.length) return empty("No trade", "The conditions never came together in this span.");
  const made = table(
    "Trades",
    [
      { name: "Side" }, { name: "From", num: true }, { name: "To", num: true }, { name: "Result", num: true },
      { name: "R", num: true }, { name: "Why it ended" }, { name: "Opened" }, { name: "Closed" },
      { name: "Actions", hidden: true },
    ]
  );
  made.body.append(...found.trades.slice(
    -SHOWN_TRADES
  ).reverse().map((each) => h("tr", cell(
    "", side(each.side === "long" ? "LONG" : "SHORT"), { wide: true }
  ), cell("From", format.price(each.entry_price), { num: true }),
  cell("To", format.price(each.exit_price), { num: true }),
    cell("Result", signed(each.pnl), { num: true }), cell("R", format.multiple(each.r_multiple), { num: true }),
    cell("Why it ended", format.words(each.exit_reason)), cell("Opened", moment(each.entry_time)),
    cell("Closed", moment(each.exit_time)),
    h(
      "td.wide",
      h(
        "div.row-actions",
        h(
          "button.button.slim",
          {
            type: "button", "aria-label": `Show the trade of ${moment(each.entry_time)} on the candles`,
            onclick: () => { chart.look(each); chart.element.scrollIntoView({ block: "nearest" }); },
          },
          "Show"
        )
      )
    ))));
  return made.element;
}

function moment(at) {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}

function assumed({ assumptions, data, engine_version: version }) {
  const { order_of_events: order = [], rules, ...plain } = assumptions;
  const shown = Object.entries(plain).filter(([, value]) => value !== null && typeof value !== "object");
  return h("div.stack", order.length ? h("ul.points", order.map((each) => h("li", each))) : null,
    facts(
      ...shown.map(([name, value]) => [format.words(name), String(value)]),
      [
        "Candles",
        `${format.quantity(data.rows)} of ${data.origin ?? "the store"}, hash ${String(data.hash ?? "").slice(0, 12)}`,
      ],
      ["Engine", version]
    ));
}

function download(found, what, text, name) {
  const act = async () => {
    const response = await fetch(
      `/api/backtest/${encodeURIComponent(found.id)}/${what}`, { headers: { Authorization: `Bearer ${token()}` } }
    ).catch(() => null);
    if (!response?.ok) return toast(`${text}: the service did not give it.`, { level: "bad" });
    const address = URL.createObjectURL(await response.blob());
    h("a", { href: address, download: `${found.id}-${name}` }).click();
    return setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  return h("button.button.slim", { type: "button", onclick: act }, text);
}

function forget(found) {
  return h("button.button.slim.danger", { type: "button", onclick: async () => {
    if (!(
      await ask("Forget this test?", ["Its figures and trades are deleted."], { yes: "Forget it", danger: true })
    )) return;
    try {
      await call("DELETE", `/api/backtest/${encodeURIComponent(found.id)}`);
      go("backtests");
    } catch (error) {
      failed(error, "Not deleted");
    }
  } }, "Forget…");
}

/** Two tests side by side; the better figure of each row is marked in words as well. */
function comparison(page, one, two) {
  const same = one.data.hash === two.data.hash;
  const made = table(
    "Two tests", [{ name: "Figure" }, { name: one.strategy.name, num: true }, { name: two.strategy.name, num: true }],
    { folds: false }
  );
  made.body.append(...FIGURES.filter(([key]) => one.metrics[key] !== undefined).map(([key, name, write, more]) => {
    const best = better(more, one.metrics[key], two.metrics[key]);
    const value = (test, mine) => cell(
      test.strategy.name,
      h(
        "span", { class: mine ? "strong" : null }, write(test.metrics[key]),
        mine ? h("span.gain.small", " better") : null
      ),
      { num: true }
    );
    return h("tr", h("th.figure-name", { scope: "row" }, name), value(one, best === -1), value(two, best === 1));
  }));
  return [
    h("p", described(one)), h("p", described(two)),
    same ? null : h(
      "p.trouble",
      "These tests saw different candles: their figures can't be compared fairly. Run both over the same market and span."
    ),
    card("Equity", equity(page, [one, two])), card("Figures", made.element, { flush: true }),
    same ? h(
      "div.form-actions", askWhetherBetter(one, two), h("span.quiet.small", "A better past is no promise.")
    ) : null];
}
