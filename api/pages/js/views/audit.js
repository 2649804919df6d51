// The audit log: who did what to money, keys, roles, sign-in and safety; and what looked suspicious.

import { call } from "../api.js";
import { fill, h } from "../dom.js";
import { field } from "../forms.js";
import * as format from "../format.js";
import { card, cell, empty, head, loads, pill, table, when } from "../parts.js";
import { failed, toast } from "../toast.js";

/** The page. */
export function show(page) {
  return [head("Audit"), h("div.stack", alerts(page), log(page))];
}

function alerts(page) {
  const place = loads("The alerts",
    () => call("GET", "/api/audit/suspicious", { signal: page.leaving.signal }), ({ findings }) => {
    if (!findings.length) return empty(
      "Nothing suspicious",
      "Failed sign-ins, new networks, bursts of key changes and many refusals are pointed out here."
    );
    return h("ul.stack",
      findings.map((each) => h("li.alert-row", h(
        "p", pill(each.rule, "warn"), " ", h("span.breaks", each.sentence ?? each.about), " ",
        when(each.at, { class: "quiet small" })
      ),
      h("details", h("summary", `${each.entries.length} rows that show it`), rows(each.entries)),
      h("button.button.slim", { type: "button", onclick: () => seen(each, place) }, "I looked at it"))));
  });
  return card("To look at", place);
}

async function seen(each, place) {
  try {
    await call("POST", `/api/audit/alerts/${encodeURIComponent(each.id)}/acknowledge`, { body: {} });
    place.load();
    toast("Noted that you looked at it.");
  } catch (error) {
    failed(error, "Not noted");
  }
}

function log(page) {
  const who = field("Who", { required: false, autocomplete: "off" });
  const action = field("Action", { required: false, autocomplete: "off", placeholder: "session. or user.role" });
  const subject = field("Subject", { required: false, autocomplete: "off" });
  const found = h("div.stack");
  let cursor = null;
  const more = h(
    "button.button",
    {
      type: "button", hidden: true,
      onclick: () => read().then(
        (answer) => found.append(rows(answer.entries)), (error) => failed(error, "No more rows")
      ),
    },
    "Show older ones"
  );
  const read = async () => {
    const query = {
      who: who.input.value.trim(), action: action.input.value.trim(), subject: subject.input.value.trim(), cursor,
      limit: 50,
    };
    const answer = await call("GET", "/api/audit", { query, signal: page.leaving.signal });
    cursor = answer.next_cursor;
    more.hidden = cursor === null;
    return answer;
  };
  const place = loads(
    "The audit log", () => { cursor = null; return read(); },
    (answer) => fill(
      found, answer.entries.length ? rows(answer.entries) : empty("No such row", "Nothing in the log fits.")
    )
  );
  const form = h("form.form.filter-row", { onsubmit: (event) => { event.preventDefault(); place.load(); } },
    h("div.row", who.element, action.element, subject.element),
    h("div.form-actions", h("button.button", { type: "submit" }, "Filter")));
  return card("Log", [form, place, more]);
}

function rows(entries) {
  const list = table(
    "Audit log",
    [{ name: "When" }, { name: "Who" }, { name: "Did" }, { name: "To" }, { name: "From" }, { name: "What changed" }]
  );
  list.body.append(...entries.map((each) => h("tr", cell("When", when(each.at)), cell(
    "Who", h("span.breaks", each.who, h("span.quiet.small", ` ${each.via}`))
  ),
    cell("Did", h("code", each.action)), cell("To", h("span.breaks", each.subject)),
    cell("From", each.origin || format.NOTHING), cell("What changed", changed(each), { wide: true }))));
  return list.element;
}

function changed({ before, after }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  if (!names.length) return format.NOTHING;
  const text = (value) => (
    value === undefined
      || value === null
      ? "none"
      : typeof value === "object"
      ? JSON.stringify(value)
      : String(value)
  );
  return h(
    "ul.small",
    names.map((name) => h(
      "li.breaks", h("b", `${format.words(name)}: `), before && name in before ? `${text(before[name])} → ` : "",
      text(after?.[name])
    ))
  );
}
