// Sources with their true record: what prices say of their signals, not what they say themselves.

import { call } from "../api.js";
import { h } from "../dom.js";
import * as format from "../format.js";
import { card, cell, empty, facts, head, loads, signed, table, when } from "../parts.js";
import { failed, toast } from "../toast.js";

/** Fewer judged signals than this say nothing about a source. */
const FEW = 20;

/** The page; `name` is the source that is shown in full. */
export function show(page, { name }) {
  if (name) return one(page, name);
  const place = loads(
    "The sources", () => call("GET", "/api/sources", { signal: page.leaving.signal }),
    (answer) => list(answer.sources, place)
  );
  let due = null;
  page.listen("signals", (data) => {
    if (
      data.event === "SignalClosed"
        || data.event === "SignalReceived"
    ) due ??= setTimeout(() => { due = null; place.load(); }, 1000);
  });
  page.onClose(() => clearTimeout(due));
  return [
    head("Sources"),
    h(
      "p.quiet.lead",
      "Every signal is followed by prices until it ends. These figures are computed from that, before fees; nothing a source says about its own results counts."
    ),
    h("div.card.flush", place)];
}

function list(sources, place) {
  if (!sources.length) return empty(
    "No source has said anything yet", "Once messages come in, each source has its record here."
  );
  const columns = [
    { name: "Source" }, { name: "Signals", num: true }, { name: "Running", num: true },
    { name: "Ended with a result", num: true },
    { name: "Won", num: true }, { name: "Average result", num: true }, { name: "Unusable", num: true },
    { name: "Actions", hidden: true }];
  const made = table("Sources and their record", columns);
  const best = [...sources].sort(
    (one, other) => Number(other.average_r ?? -99) - Number(one.average_r ?? -99)
      || other.signals - one.signals
  );
  made.body.append(...best.map((each) => row(each, place)));
  return made.element;
}

function row(each, place) {
  const few = each.judged > 0 && each.judged < FEW;
  const name = h("span", h("a.strong.breaks", { href: `#/sources/${encodeURIComponent(each.source)}` }, each.source),
    each.muted ? h("span.pill", { "data-tone": "warn" }, "muted") : null);
  return h("tr",
    { "data-source": each.source }, cell("", name, { wide: true }), cell("Signals", each.signals, { num: true }),
    cell("Running", each.open, { num: true }),
    cell("Ended with a result", each.judged, { num: true }),
    cell(
      "Won",
      each.win_rate === null ? format.NOTHING : h(
        "span", `${format.share(each.win_rate)} `, h("span.quiet.small", `${each.won} of ${each.judged}`)
      ),
      { num: true }
    ),
    cell(
      "Average result",
      h("span", signed(each.average_r, format.multiple), few ? h("span.quiet.small", " too few to judge") : null),
      { num: true }
    ),
    cell("Unusable", each.invalid + each.expired, { num: true }),
    h("td.wide", h("div.row-actions", follow(each, place))));
}

/** Muting and following, where the service says which it is. */
function follow(each, place) {
  if (each.muted === undefined || each.muted === null) return null;
  const change = async (muted) => {
    await call("POST", `/api/sources/${encodeURIComponent(each.source)}/${muted ? "mute" : "follow"}`, { body: {} });
    place.load();
  };
  const act = async () => {
    const muted = !each.muted;
    try {
      await change(muted);
      toast(
        muted ? `${each.source} is muted: its signals are not traded for you.` : `${each.source} is followed again.`, {
        undo: ["Undo", () => change(!muted).catch((error) => failed(error, "Not undone"))],
      });
    } catch (error) {
      failed(error, "Nothing was changed");
    }
  };
  return h(
    "button.button.slim",
    { type: "button", "aria-label": `${each.muted ? "Follow" : "Mute"} ${each.source}`, onclick: act },
    each.muted ? "Follow" : "Mute"
  );
}

/** One source in full: its record as a whole, by side and by symbol. */
function one(page, name) {
  const place = loads("The source",
    async () => (await call("GET", `/api/sources/${encodeURIComponent(name)}`, { signal: page.leaving.signal })).source,
    (source) => [
    h(
      "div.form-actions", follow(source, place),
      h("a.button", { href: `#/signals?source=${encodeURIComponent(name)}` }, "Its signals"),
      h("a.button.bare", { href: "#/sources" }, "All sources")
    ),
    h("div.grid",
      card("Record",
        facts(
          ["Signals", source.signals], ["Running", source.open], ["Ended with a result", source.judged],
          ["Won", source.win_rate === null ? format.NOTHING : `${format.share(source.win_rate)} (${source.won})`],
      ["Average", signed(source.average_r, format.multiple)], ["Median", signed(source.median_r, format.multiple)],
      ["Best", signed(source.best_r, format.multiple)], ["Worst", signed(source.worst_r, format.multiple)],
      ["Sum", signed(source.sum_r, format.multiple)], ["First heard", when(source.first_signal_at)],
      ["Last heard", when(source.last_signal_at)])),
    card("By side", grouped("By side", source.by_side), { flush: true })),
    card("By market", grouped("By market", source.by_symbol), { flush: true }),
    source.judged < FEW ? h(
      "p.quiet.small", `Fewer than ${FEW} of its signals have a result: too few to judge it.`
    ) : null,
  ]);
  return [head(name), place];
}

function grouped(title, rows) {
  const made = table(
    title,
    [
      { name: "Which" }, { name: "Signals", num: true }, { name: "With a result", num: true },
      { name: "Won", num: true }, { name: "Average", num: true },
    ]
  );
  made.body.append(...rows.map((each) => h("tr", cell(
    "", h("b", format.pair(each.name)), { wide: true }
  ), cell("Signals", each.signals, { num: true }), cell("With a result", each.judged, { num: true }),
    cell("Won", each.win_rate === null ? format.NOTHING : format.share(each.win_rate), { num: true }),
    cell("Average", signed(each.average_r, format.multiple), { num: true }))));
  return made.element;
}
