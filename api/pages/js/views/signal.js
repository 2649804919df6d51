// One signal: the text with the parse over it, the chart with its levels, what happened, what was refused and why.

import { call } from "../api.js";
import { fill, h } from "../dom.js";
import { fillsTable } from "../fills.js";
import * as format from "../format.js";
import { calmly } from "../live.js";
import { marketChart } from "../market_chart.js";
import { facts, loads, pill, side, signed, when } from "../parts.js";
import { legend, marked } from "../spans.js";
import { get } from "../store.js";

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

/** How it ended, in words; a reason that is a sentence already stays one. */
function ending({ status, reason }) {
  const sentence = /^[a-z_]+: (.+)$/s.exec(reason ?? "")?.[1];
  return `${format.words(status)}: ${sentence ?? format.words(reason).toLowerCase()}`;
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
    steps.push([signal.closed_at, ending(signal), price]);
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

/** Whose account it is: one's own by its kind, another's by its id, which is all that staff is told of it here. */
function accountName(id) {
  if (id !== get("balance")?.account_id) return `Account ${id}`;
  return get("balance").exchange === "paper" ? "Your paper account" : `Your account at ${get("balance").exchange}`;
}

/** What your account (for staff: every account) did about it. */
function done(plans) {
  if (!plans.length) return null;
  return h("section.card",
    { "aria-label": "What was traded" }, h("header", h("h3", "What was traded")),
    h("ul.stack", plans.map((plan) => h("li.stack",
    h("p", h("b", accountName(plan.account_id)), " ", pill(plan.status), plan.outcome ? ` ${format.words(plan.outcome)}` : "",
      plan.risk_amount ? h(
        "span.quiet", ` ${format.money(plan.risk_amount)} ${format.currency(plan.symbol)} at risk, ${format.quantity(plan.leverage)}x leverage`
      ) : null,
      plan.position_id ? [
        " ", h("a", { href: `#/position/${encodeURIComponent(plan.position_id)}` }, "The position"),
      ] : null),
    plan.notes.length ? h("ul.points.small", plan.notes.map((note) => h("li", note))) : null,
    fillsTable(plan.fills)))));
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
  return marketChart(page, {
    symbol: signal.symbol, since: signal.received_at, ended: signal.closed_at, levels: levels(signal),
    marks: marks(signal), label: described(signal),
  });
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
