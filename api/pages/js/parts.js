// Small parts that many pages use: times that tick, figures with a sign, pills, empty states, troubles, tables.

import { fill, h, say } from "./dom.js";
import * as format from "./format.js";

/** A relative time that keeps itself right, with the exact one on hover and for screen readers. */
export function when(at, attributes = {}) {
  if (!at) return h("span.quiet", format.NOTHING);
  const moment = new Date(at);
  const element = h(
    "time", { datetime: moment.toISOString(), title: format.exact(moment), "data-ticks": true, ...attributes }
  );
  element.textContent = format.ago(moment);
  return element;
}

setInterval(() => {
  const now = Date.now();
  for (const element of document.querySelectorAll("time[data-ticks]")) say(element, format.ago(element.dateTime, now));
}, 5000);

/** A figure of money with its sign; `update(value)` changes it in place. */
export function signed(value, write = (each) => format.money(each, { signed: true })) {
  const element = h("span.nowrap");
  element.update = (next) => {
    say(element, write(next));
    element.classList.toggle("gain", format.tone(next) === "gain");
    element.classList.toggle("loss", format.tone(next) === "loss");
  };
  element.update(value);
  return element;
}

/** LONG ▲ or SHORT ▼: the word says it, colour and arrow repeat it. */
export function side(word) {
  const long = word === "LONG" || word === "buy" || word === "BUY";
  return h(
    "span.side-word", { class: long ? "gain" : "loss" }, h("span", { "aria-hidden": "true" }, long ? "▲ " : "▼ "), word
  );
}

const TONES = {
  active: "good", open: "good", up: "good", ok: "good", filled: "good", enabled: "good", sent: "good", waiting: "info",
  starting: "info", new: "info", submitted: "info", queued: "info", running: "info", partially_filled: "info",
  unknown: "warn", paused: "warn", degraded: "warn", reducing: "warn", stale: "warn", pending: "warn", halted: "bad",
  silent: "bad",
  down: "bad", invalid: "bad", rejected: "bad", failed: "bad", disabled: "bad", flatten: "bad", locked: "bad",
};

/** A state in a word. */
export function pill(word, tone = TONES[word] ?? "") {
  return h("span.pill", { "data-tone": tone }, format.words(word));
}

/** What is shown where nothing is: what that means and what to do next. */
export function empty(title, hint, ...actions) {
  return h(
    "div.empty", h("p.strong", title), hint ? h("p", hint) : null,
    actions.length ? h("div.form-actions", actions) : null
  );
}

/** What is shown where a part could not be read; says plainly whether the part exists, refuses or can't be reached. */
export function trouble(error, what, retry) {
  return h("div.trouble", { role: "alert" },
    h("p", h("b", `${what}: `), explain(error)),
    retry ? h("button.button.slim", { type: "button", onclick: retry }, "Try again") : null);
}

/** A problem in one sentence for a person. */
export function explain(error) {
  if (error.kind === "unreachable") return "the API can't be reached. What you see may be old.";
  if (error.kind === "absent") return `this part of the service does not answer (${error.asked}).`;
  if (error.status === 403) return "your role does not include this.";
  if (error.status === 423) return `trading is halted. ${error.message}`;
  if (
    error.status === 429
  ) return `too many requests${error.retryAfter ? `, try again in ${error.retryAfter} s` : ""}.`;
  return error.message;
}

const UNREADABLE = { kind: "unreadable", message: "the answer came, but could not be shown." };

/** A part of a page that reads something: waits, shows it, or says what went wrong and offers to try again. */
export function loads(what, read, show) {
  const place = h("div.stack", { "aria-busy": "true" }, h("p.waiting", `Reading ${what.toLowerCase()}…`));
  let run = 0;
  place.load = async () => {
    const mine = ++run;
    try {
      const found = await read();
      if (mine === run) fill(place, show(found));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (mine === run) fill(place, trouble(error.kind ? error : UNREADABLE, what, place.load));
      if (error.kind === undefined) throw error;
    } finally {
      if (mine === run) place.removeAttribute("aria-busy");
    }
  };
  place.load();
  return place;
}

/** A table with named columns that folds into cards on a phone, unless it is narrow. `caption` is for screen readers. */
export function table(caption, columns, { folds = true } = {}) {
  const body = h("tbody");
  const heads = columns.map((column) => h("th", { scope: "col", class: column.num ? "num" : null },
    column.hidden ? h("span.unseen", column.name) : column.name));
  const element = h(
    "table.list", { class: folds ? "folds" : null }, h("caption.unseen", caption), h("thead", h("tr", heads)), body
  );
  return { element: h("div.table-wrap", element), body };
}

/** One cell; its label is shown where the table folds. */
export function cell(label, content, { num = false, wide = false } = {}) {
  return h(
    "td", { "data-label": label || null, class: [num ? "num" : "", wide ? "wide" : ""].join(" ").trim() || null },
    content
  );
}

/** Names and values. */
export function facts(...pairs) {
  return h("dl.facts", pairs.filter(Boolean).map(([name, value]) => [h("dt", name), h("dd", value)]));
}

/** A card with a heading of level 2. */
export function card(title, content, { tools = [], flush = false, id = null } = {}) {
  return h("section.card", { class: flush ? "flush" : null, id, "aria-label": title },
    h("header", h("h2", title), tools.length ? h("div.tools", tools) : null), content);
}

/** The head of a page: its name and its tools. */
export function head(title, ...tools) {
  return h("div.page-head", h("h1", { tabindex: "-1" }, title), tools.length ? h("div.tools", tools) : null);
}

/** Buttons of which one is chosen. */
export function segments(label, choices, chosen, choose) {
  const buttons = choices.map(([value, text]) => h("button", {
    type: "button", "aria-pressed": String(value === chosen),
    onclick: (event) => {
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === event.currentTarget));
      choose(value);
    },
  }, text));
  return h("div.segments", { role: "group", "aria-label": label }, buttons);
}
