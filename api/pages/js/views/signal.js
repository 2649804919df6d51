// One signal: the text with the parse over it, the chart with its levels, what happened, what was refused and why.

import { call } from "../api.js";
import { candleChart } from "../chart.js";
import { fill, h, say } from "../dom.js";
import * as format from "../format.js";
import { facts, loads, pill, segments, side, signed, when } from "../parts.js";
import { legend, marked } from "../spans.js";

const FRAMES = [["1m", 60], ["5m", 300], ["15m", 900], ["1h", 3600], ["4h", 14_400], ["1d", 86_400]];

/** The signal in full; it is read again when something happens to it. */
export function detail(page, id) {
  const place = h("div.stack");
  const body = loads("The signal", async () => (await call("GET", `/api/signals/${id}`, { signal: page.leaving.signal })).signal, (signal) => {
    const fate = h("div.stack");
    const again = async () => {
      const { signal: now } = await call("GET", `/api/signals/${id}`, { signal: page.leaving.signal });
      fill(fate, fates(now));
    };
    fill(fate, fates(signal));
    page.listen("signals", (data) => data.signal_id === id && again(), again);
    page.listen("orders", (data) => data.signal_id === id && again(), again);
    return [top(signal), chart(page, signal), message(signal), fate];
  });
  place.append(body);
  return place;
}

function top(signal) {
  return h("header.signal-head", h("h2", format.pair(signal.symbol), " ", side(signal.side)), pill(signal.status),
    h("span.quiet.small.breaks", `${signal.source} · `, when(signal.said_at)), signal.late ? h("span.pill", { "data-tone": "warn" }, "came late") : null);
}

function message(signal) {
  const spans = signal.parse?.spans ?? [];
  const read = facts(
    ["Market", format.pair(signal.symbol)], ["Side", side(signal.side)],
    ["Entry", signal.order === "market" && !signal.entries.length ? "at the market" : signal.entries.map(format.price).join(signal.entry_range ? " to " : ", ")],
    ["Targets", signal.targets.map(format.price).join(", ") || "none"],
    ["Stop", signal.stop_loss ? format.price(signal.stop_loss) : h("span.warn", "none given")],
    signal.leverage ? ["Leverage", `up to ${signal.leverage}x`] : null,
    ["Confidence", format.share(signal.confidence)]);
  return h("section.card", { "aria-label": "What was said and what was read" }, h("header", h("h3", "What was said, what was read")),
    h("div.read", h("div.stack", marked(signal.text, spans), spans.length ? legend(spans) : null), read));
}

/** What became of the signal by prices, then what your account did with it. */
function fates(signal) {
  const steps = [[signal.received_at, "Received", ""]];
  if (signal.entered_at) steps.push([signal.entered_at, "Entered", `at ${format.price(signal.entry_price)}`]);
  for (const hit of signal.targets_hit) steps.push([hit.at, `Target ${hit.number} of ${signal.targets.length} reached`, `at ${format.price(hit.price)}`]);
  if (signal.closed_at) {
    const price = signal.exit_price ? `at ${format.price(signal.exit_price)}` : "";
    steps.push([signal.closed_at, `${format.words(signal.status)}: ${format.words(signal.reason).toLowerCase()}`, price]);
  }
  const result = signal.return_percent === null ? null
    : h("p", "By prices this signal made ", h("b", signed(signal.return_percent, format.percent)), signal.r_multiple === null ? "" : [", ", h("b", signed(signal.r_multiple, format.multiple))], ".");
  const waiting = !signal.closed_at && !signal.entered_at ? h("p.quiet.small", "Waits for its entry; expires ", when(signal.expires_at), ".") : null;
  return [
    h("section.card", { "aria-label": "What happened" }, h("header", h("h3", "What happened")),
      h("ol.steps", steps.map(([at, what, note]) => h("li", h("span.strong", what), " ", note, " ", when(at, { class: "quiet small" })))), result, waiting),
    refused(signal.refusals ?? []),
  ];
}

function refused(refusals) {
  if (!refusals.length) return null;
  return h("section.card", { "aria-label": "Not traded" }, h("header", h("h3", "Why it was not traded")),
    h("ul.stack", refusals.map((each) => h("li", h("p", each.sentence), each.figure === null || each.figure === undefined ? null
      : h("p.quiet.small", `${format.words(each.rule)}: ${each.figure}${each.limit === null || each.limit === undefined ? "" : `, limit ${each.limit}`}`)))));
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
    const candles = await past(signal.symbol, frame, note, page);
    if (mine.closed || page.closed) return;
    const ended = signal.closed_at !== null;
    await candleChart(mine, area, {
      candles, levels: levels(signal), marks: marks(signal), seconds, symbol: signal.symbol,
      onPrice: (data) => say(live, `${format.price(data.price)}${data.simulated ? " (simulated)" : ""}`),
    });
    if (!candles.length && ended) note.append(" This signal has ended.");
  };
  const start = "5m";
  draw(start);
  return h("section.card", { "aria-label": "Chart" },
    h("header", h("h3", "Chart"), live, h("div.tools", segments("Length of a candle", FRAMES.map(([name]) => [name, name]), start, draw))),
    area, note);
}

/** Candles that have closed; where the service has none, the chart grows from the live price and says so. */
async function past(symbol, frame, note, page) {
  say(note, "");
  try {
    const answer = await call("GET", `/api/candles/${symbol}`, { query: { timeframe: frame, limit: 300 }, signal: page.leaving.signal });
    const rows = answer.candles.map(candle);
    if (!rows.length) say(note, `There are no stored ${frame} candles of ${symbol} yet: the chart grows from the live price.`);
    return rows;
  } catch (error) {
    if (error.kind === undefined) throw error;
    say(note, `There are no stored ${frame} candles of ${symbol}: the chart grows from the live price since you opened it.`);
    return [];
  }
}

function candle(row) {
  const [at, open, high, low, close] = Array.isArray(row) ? row : [row.time ?? row.timestamp ?? row.at, row.open, row.high, row.low, row.close];
  const ms = typeof at === "number" ? at : new Date(at).getTime();
  return { time: Math.floor(ms / 1000), open: Number(open), high: Number(high), low: Number(low), close: Number(close) };
}

function levels(signal) {
  const hit = new Set(signal.targets_hit.map((each) => each.number));
  const found = signal.entries.map((price, index) => ({ price, kind: "entry", title: signal.entries.length > 1 ? `entry ${index + 1}` : "entry", done: Boolean(signal.entry_price) }));
  if (!found.length && signal.entry_price) found.push({ price: signal.entry_price, kind: "entry", title: "entered", done: true });
  signal.targets.forEach((price, index) => found.push({ price, kind: "target", title: `target ${index + 1}${hit.has(index + 1) ? " reached" : ""}`, done: hit.has(index + 1) }));
  if (signal.stop_loss) found.push({ price: signal.stop_loss, kind: "stop", title: "stop" });
  return found;
}

function marks(signal) {
  const long = signal.side === "LONG";
  const at = (moment) => Math.floor(new Date(moment).getTime() / 1000);
  const found = [];
  if (signal.entered_at) found.push({ time: at(signal.entered_at), kind: "entry", text: "entered", long });
  for (const each of signal.targets_hit) found.push({ time: at(each.at), kind: "target", text: `T${each.number}`, long });
  if (signal.closed_at && signal.exit_price) found.push({ time: at(signal.closed_at), kind: "exit", text: "closed", long });
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
