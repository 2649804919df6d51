// One signal: the text with the parse over it, the chart with its levels, what happened, what was refused and why.

import { call } from "../api.js";
import { candleChart } from "../chart.js";
import { fill, h, say } from "../dom.js";
import * as format from "../format.js";
import { calmly } from "../live.js";
import { cell, facts, loads, pill, segments, side, signed, table, when } from "../parts.js";
import { legend, marked } from "../spans.js";
import { get } from "../store.js";

const FRAMES = [["1m", 60], ["5m", 300], ["15m", 900], ["1h", 3600], ["4h", 14_400], ["1d", 86_400]];

/** The signal in full; it is read again when something happens to it. */
export function detail(page, id) {
  const place = h("div.stack");
  const body = loads("The signal",
    async () => (await call("GET", `/api/signals/${id}`, { signal: page.leaving.signal })).signal, (signal) => {
    const fate = h("div.stack");
    const again = async () => {
      try {
        const { signal: now } = await call("GET", `/api/signals/${id}`, { signal: page.leaving.signal });
        fill(fate, fates(now));
      } catch (error) {
        if (error.kind === undefined && error.name !== "AbortError") throw error;
      }
    };
    fill(fate, fates(signal));
    const soon = calmly(() => page.closed || again());
    for (const topic of ["signals", "orders", "positions"]) {
      page.listen(topic, (data) => data.signal_id === id && soon(), soon);
    }
    return [top(signal), chart(page, signal), message(signal), fate];
  });
  place.append(body);
  return place;
}

function top(signal) {
  return h("header.signal-head", h("h2", format.pair(signal.symbol), " ", side(signal.side)), pill(signal.status),
    h("span.quiet.small.breaks", `${signal.source} · `, when(signal.said_at)),
    signal.late ? h("span.pill", { "data-tone": "warn" }, "came late") : null);
}

function message(signal) {
  const spans = signal.parse?.spans ?? [];
  const read = facts(
    ["Market", format.pair(signal.symbol)], ["Side", side(signal.side)],
    [
      "Entry",
      signal.order === "market" && !signal.entries.length ? "at the market" : signal.entries.map(format.price).join(
        signal.entry_range
          ? " to "
          : ", "
      ),
    ],
    ["Targets", signal.targets.map(format.price).join(", ") || "none"],
    ["Stop", signal.stop_loss ? format.price(signal.stop_loss) : h("span.warn", "none given")],
    signal.leverage ? ["Leverage", `up to ${signal.leverage}x`] : null,
    ["Confidence", format.share(signal.confidence)]);
  return h("section.card",
    { "aria-label": "What was said and what was read" }, h("header", h("h3", "What was said, what was read")),
    h("div.read", h("div.stack", marked(signal.text, spans), spans.length ? legend(spans) : null), read));
}

/** What became of the signal by prices, then what your account did with it. */
function fates(signal) {
  const steps = [[signal.received_at, "Received", ""]];
  if (signal.entered_at) steps.push([signal.entered_at, "Entered", `at ${format.price(signal.entry_price)}`]);
  for (const hit of signal.targets_hit) steps.push([
    hit.at, `Target ${hit.number} of ${signal.targets.length} reached`, `at ${format.price(hit.price)}`,
  ]);
  if (signal.closed_at) {
    const price = signal.exit_price ? `at ${format.price(signal.exit_price)}` : "";
    steps.push([
      signal.closed_at, `${format.words(signal.status)}: ${format.words(signal.reason).toLowerCase()}`, price,
    ]);
  }
  const result = signal.return_percent === null ? null
    : h(
      "p", "By prices this signal made ", h("b", signed(signal.return_percent, format.percent)),
      signal.r_multiple === null ? "" : [", ", h("b", signed(signal.r_multiple, format.multiple))], "."
    );
  const waiting = !signal.closed_at && !signal.entered_at ? h(
    "p.quiet.small", "Waits for its entry; expires ", when(signal.expires_at), "."
  ) : null;
  return [
    h("section.card", { "aria-label": "What happened" }, h("header", h("h3", "What happened")),
      h(
        "ol.steps",
        steps.map(([at, what, note]) => h(
          "li", h("span.strong", what), " ", note, " ", when(at, { class: "quiet small" })
        ))
      ),
      result, waiting),
    refused(signal.refusals ?? []),
    done(signal.plans ?? []),
  ];
}

/** What your account (for staff: every account) did about it. */
function done(plans) {
  if (!plans.length) return null;
  return h("section.card",
    { "aria-label": "What was traded" }, h("header", h("h3", "What was traded")),
    h("ul.stack", plans.map((plan) => h("li.stack",
    h("p", h("b", plan.account_id), " ", pill(plan.status), plan.outcome ? ` ${format.words(plan.outcome)}` : "",
      plan.risk_amount ? h(
        "span.quiet", ` risking ${format.money(plan.risk_amount)} at ${format.quantity(plan.leverage)}x`
      ) : null,
      plan.position_id ? [" ", h("a", { href: "#/positions" }, "Positions")] : null),
    plan.notes.length ? h("ul.points.small", plan.notes.map((note) => h("li", note))) : null, fills(plan.fills)))));
}

function fills(rows) {
  if (!rows.length) return h("p.quiet.small", "Nothing was filled yet.");
  const list = table(
    "Fills",
    [
      { name: "What" }, { name: "Quantity", num: true }, { name: "Price", num: true }, { name: "Fee", num: true },
      { name: "When" },
    ]
  );
  list.body.append(...rows.map((each) => h("tr", cell("What", side(each.action)), cell(
    "Quantity", format.quantity(each.quantity), { num: true }
  ),
    cell("Price", format.price(each.price), { num: true }),
    cell("Fee", format.money(each.fee, { places: 4 }), { num: true }), cell("When", when(each.at)))));
  return list.element;
}

function refused(refusals) {
  if (!refusals.length) return null;
  return h("section.card", { "aria-label": "Not traded" }, h("header", h("h3", "Why it was not traded")),
    h("ul.stack",
      refusals.map((each) => h("li", h("p", each.sentence), each.figure === null || each.figure === undefined ? null
      : h(
        "p.quiet.small",
        `${format.words(each.rule)}: ${each.figure}${each.limit === null || each.limit === undefined ? "" : `, limit ${each.limit}`}`
      )))));
}

function chart(page, signal) {
  const area = h("div.chart", { role: "img", "aria-label": described(signal) });
  const note = h("p.quiet.small");
  const live = h("span.strong");
  let inside = null;
  const draw = async (frame) => {
    inside?.close();
    const mine = (inside = innerPage(page));
    fill(area);
    const seconds = FRAMES.find(([name]) => name === frame)[1];
    const until = longAgo(signal, seconds);
    const candles = await past(signal.symbol, frame, until, note, page);
    if (mine.closed || page.closed) return;
    say(live, "");
    await candleChart(mine, area, {
      candles, levels: levels(signal), marks: marks(signal), seconds, symbol: until ? null : signal.symbol,
      onPrice: (data) => say(live, `${format.price(data.price)}${data.simulated ? " (simulated)" : ""}`),
    });
  };
  const start = fitting(signal);
  draw(start);
  return h("section.card", { "aria-label": "Chart" },
    h(
      "header", h("h3", "Chart"), live,
      h("div.tools", segments("Length of a candle", FRAMES.map(([name]) => [name, name]), start, draw))
    ),
    area, note);
}

/** The length of a candle at which the signal's life fills a good part of the chart. */
function fitting(signal) {
  const end = signal.closed_at ? new Date(signal.closed_at) : new Date();
  const seconds = (end - new Date(signal.received_at)) / 1000;
  return (FRAMES.find(([, length]) => seconds / length < 140) ?? FRAMES.at(-1))[0];
}

/** Until when the chart shows: some candles after the end of a signal that ended long ago; null for up to now. */
function longAgo(signal, seconds) {
  if (!signal.closed_at) return null;
  const until = new Date(signal.closed_at).getTime() + 60 * seconds * 1000;
  return until < Date.now() ? new Date(until).toISOString() : null;
}

/** Candles that have closed; where the service has none, the chart grows from the live price and says so. */
async function past(symbol, frame, before, note, page) {
  say(note, "");
  try {
    const answer = await call(
      "GET", `/api/candles/${symbol}`,
      {
        query: {
          timeframe: frame, limit: 300, before, exchange: get("health")?.prices === "simulated" ? "simulated" : null,
        },
        signal: page.leaving.signal,
      }
    );
    if (answer.exchange === "simulated") say(note, "Candles of the simulated market.");
    return answer.candles.map(candle);
  } catch (error) {
    if (error.kind === undefined) throw error;
    const what = before
      ? "nothing can be drawn of that time."
      : "the chart grows from the live price since you opened it.";
    say(note, `There are no stored ${frame} candles of ${symbol}: ${what}`);
    return [];
  }
}

function candle({ time, open, high, low, close }) {
  return { time: Math.floor(new Date(time).getTime() / 1000), open, high, low, close };
}

function levels(signal) {
  const hit = new Set(signal.targets_hit.map((each) => each.number));
  const found = signal.entries.map((price, index) => (
    {
      price, kind: "entry", title: signal.entries.length > 1 ? `entry ${index + 1}` : "entry",
      done: Boolean(signal.entry_price),
    }
  ));
  if (!found.length && signal.entry_price) found.push({
    price: signal.entry_price, kind: "entry", title: "entered", done: true,
  });
  signal.targets.forEach((price, index) => found.push(
    {
      price, kind: "target", title: `target ${index + 1}${hit.has(index + 1) ? " reached" : ""}`,
      done: hit.has(index + 1),
    }
  ));
  if (signal.stop_loss) found.push({ price: signal.stop_loss, kind: "stop", title: "stop" });
  return found;
}

function marks(signal) {
  const long = signal.side === "LONG";
  const at = (moment) => Math.floor(new Date(moment).getTime() / 1000);
  const found = [];
  if (signal.entered_at) found.push({ time: at(signal.entered_at), kind: "entry", text: "entered", long });
  for (const each of signal.targets_hit) found.push({
    time: at(each.at), kind: "target", text: `T${each.number}`, long,
  });
  if (signal.closed_at && signal.exit_price) found.push({
    time: at(signal.closed_at), kind: "exit", text: "closed", long,
  });
  return found.sort((one, other) => one.time - other.time);
}

function described(signal) {
  const entry = signal.entries.length ? signal.entries.map(format.price).join(", ") : "at the market";
  return `Chart of ${format.pair(signal.symbol)}: ${signal.side}, entry ${entry}, targets ${signal.targets.map(format.price).join(", ") || "none"}, stop ${format.price(signal.stop_loss)}.`;
}

/** A life inside the page's, for what is replaced while the page stays. */
export function innerPage(page) {
  const endings = [];
  const inner = {
    closed: false,
    onClose: (end) => (inner.closed ? end() : endings.push(end)),
    close: () => {
      if (inner.closed) return;
      inner.closed = true;
      for (const end of endings) end();
    },
  };
  page.onClose(inner.close);
  return inner;
}
