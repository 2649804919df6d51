// The feed of signals on one side, one signal in full on the other: its text with what was read, its chart, its fate.

import { call } from "../api.js";
import { fill, h, keyed, say } from "../dom.js";
import * as format from "../format.js";
import { calmly } from "../live.js";
import { empty, head, loads, pill, segments, side, signed, when } from "../parts.js";
import { asked } from "../router.js";
import { isAtLeast, put } from "../store.js";
import { failed, speak } from "../toast.js";
import { detail } from "./signal.js";

const PAGE = 50;
const MANY = 12; // so many facts at once: the whole list is read again

/** The page; `id` is the signal that is shown in full. */
export function show(page, { id }) {
  const feed = new Feed(page, id, asked().get("source"));
  put({ unseen: 0 });
  const right = h("section.pane", { "aria-label": "The signal" });
  if (id) fill(right, h("a.back", { href: "#/signals" }, "‹ All signals"), detail(page, id));
  else fill(right, empty("Choose a signal", "Its text, what was read in it, its chart and what happened appear here."));
  return [head("Signals", feed.filter()), h("div.split", { "data-open": id ? true : null }, feed.element, right)];
}

class Feed {
  constructor(page, chosen, source) {
    this.page = page;
    this.chosen = chosen;
    this.source = source;
    this.status = "all";
    this.rows = [];
    this.cursor = null;
    this.waiting = new Map();
    this.readSoon = calmly(() => page.closed || this.readWaiting(), 150);
    this.list = h("ul.feed", { "aria-label": "Signals, newest first" });
    this.draw = keyed(this.list, (each) => each.id, (each) => this.row(each));
    this.more = h(
      "button.button",
      {
        type: "button", hidden: true,
        onclick: () => this.read(this.cursor).catch((error) => failed(error, "No more signals")),
      },
      "Show older ones"
    );
    this.place = loads("The signals", () => this.read(null), () => this.shown());
    this.element = h(
      "section.pane.feed-pane", { "aria-label": "Feed" }, source ? this.narrowed() : null, this.place, this.more
    );
    page.listen("signals", (data) => this.heard(data), () => this.place.load());
  }

  filter() {
    return segments("Which signals",
      [["all", "All"], ["open", "Open"], ["closed", "Closed"], ["invalid", "Invalid"]], this.status, (chosen) => {
      this.status = chosen;
      this.place.load();
    });
  }

  narrowed() {
    return h("p.small.feed-note", "Only of ", h("b", this.source), ". ", h("a", { href: "#/signals" }, "Show all"));
  }

  async read(cursor) {
    const query = { status: this.status, source: this.source, limit: PAGE, cursor };
    const answer = await call("GET", "/api/signals", { query, signal: this.page.leaving.signal });
    this.rows = cursor ? [...this.rows, ...answer.signals] : answer.signals;
    this.cursor = answer.next_cursor;
    this.more.hidden = !this.cursor;
    this.draw(this.rows);
    return answer;
  }

  shown() {
    if (this.rows.length) return this.list;
    if (this.status !== "all") return empty("No such signal", "None of the signals is in this state.");
    if (!isAtLeast("analyst")) return empty(
      "No signal has come yet", "Signals appear here as soon as one of the channels posts one."
    );
    return empty("No signal has come yet",
      "Post one through the chat, connect a Telegram channel, or drop a text file into the inbox folder of the data directory.",
      h("a.button.main", { href: "#/chat" }, "Write one into the chat"));
  }

  /** A fact about a signal: its row is read again, a new one comes in on top. Facts that come close together wait. */
  heard(data) {
    if (!data.signal_id) return;
    const known = this.rows.some((each) => each.id === data.signal_id);
    if (!known && data.event !== "SignalReceived") return;
    const before = this.waiting.get(data.signal_id);
    this.waiting.set(data.signal_id, before?.event === "SignalReceived" ? before : data);
    this.readSoon();
  }

  async readWaiting() {
    const facts = [...this.waiting.values()];
    this.waiting.clear();
    if (facts.length > MANY) return this.place.load();
    for (const data of facts) await this.readOne(data);
  }

  async readOne(data) {
    try {
      const { signal } = await call("GET", `/api/signals/${data.signal_id}`, { signal: this.page.leaving.signal });
      this.settle(signal, data);
    } catch (error) {
      if (error.kind === undefined && error.name !== "AbortError") throw error;
    }
  }

  settle(signal, data) {
    const index = this.rows.findIndex((each) => each.id === signal.id);
    if (index >= 0) this.rows[index] = signal;
    else if (!this.fits(signal)) return;
    else this.rows.unshift(signal);
    const wasEmpty = !this.list.isConnected;
    this.draw(this.rows);
    if (wasEmpty) fill(this.place, this.list);
    const element = this.list.querySelector(`[data-signal="${CSS.escape(signal.id)}"]`);
    element?.classList.remove("fresh");
    requestAnimationFrame(() => element?.classList.add("fresh"));
    if (data.event === "SignalReceived") speak(
      `New signal: ${format.pair(signal.symbol)} ${signal.side} from ${signal.source}`
    );
  }

  fits(signal) {
    if (this.source && signal.source !== this.source) return false;
    return this.status === "all" || signal.status === this.status || (
      this.status === "open"
        && ["waiting", "active"].includes(signal.status)
    );
  }

  row(first) {
    const state = h("span");
    const result = h("span");
    const note = h("span.quiet.small");
    const element = h("li", { "data-signal": first.id },
      h("a.feed-row",
        {
          href: `#/signals/${first.id}${this.source ? `?source=${encodeURIComponent(this.source)}` : ""}`,
          "aria-current": first.id === this.chosen ? "true" : null,
        },
        h(
          "span.feed-top", h("span.strong", format.pair(first.symbol)), side(first.side), state,
          h("span.line-end", result)
        ),
        h("span.feed-text.breaks", { dir: "auto" }, first.text.slice(0, 160)),
        h("span.feed-foot", h("span.breaks", first.source), note, h("span.line-end", when(first.received_at)))));
    element.addEventListener("keydown", (event) => this.step(event, element));
    const update = (each) => {
      fill(state, pill(each.status));
      const hits = each.targets_hit.length;
      say(note, hits ? ` · ${hits} of ${each.targets.length} targets` : "");
      fill(result, each.r_multiple === null ? null : signed(each.r_multiple, format.multiple));
    };
    update(first);
    return { element, update };
  }

  /** Up and down go through the feed. */
  step(event, element) {
    const next = { ArrowDown: element.nextElementSibling, ArrowUp: element.previousElementSibling }[event.key];
    if (!next) return;
    event.preventDefault();
    next.querySelector("a").focus();
  }
}
