// The audit log: who did what to money, keys, roles, sign-in and safety; and what looked suspicious.

import { all, call } from "../api.js";
import { fill, h, say } from "../dom.js";
import { field } from "../forms.js";
import * as format from "../format.js";
import { card, cell, empty, head, loads, pill, table, when } from "../parts.js";
import { failed, toast } from "../toast.js";

const MOST_NAMES = 1000;

/** The page. */
export function show(page) {
  readNames(page);
  return [head("Audit"), h("div.stack", alerts(page), log(page))];
}

let names = new Map(); // id of a user -> address or name

/** Reads who is who; until it is known, and for users who are gone, their ids are shown. */
async function readNames(page) {
  try {
    const users = await all("/api/admin/users", "users", {}, MOST_NAMES);
    names = new Map(users.map((each) => [each.id, each.email || each.name || each.id])); // who is gone has neither
  } catch (error) {
    if (error.kind === undefined) throw error;
  }
  if (page.closed) return;
  for (const element of document.querySelectorAll("[data-user-id]")) say(element, named(element.dataset.userId));
}

function named(id) {
  return names.get(id) ?? id;
}

/** A user by name, with the id on hover. */
function person(id) {
  return h("span.user-name", { "data-user-id": id, title: id }, named(id));
}

/** What something was done to: `user:ID` by the user's name, all else as it is. */
function subjectOf(text) {
  const id = /^user:(.+)$/.exec(text ?? "")?.[1];
  return id ? person(id) : h("span.breaks", text || format.NOTHING);
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

/** The id of a user whose name or address this is; the text itself where nobody has it. */
function idOf(text) {
  return [...names].find(([, name]) => name.toLowerCase() === text.toLowerCase())?.[0] ?? text;
}

function subjectAsked(text) {
  const id = idOf(text);
  return id === text ? text : `user:${id}`;
}

function log(page) {
  const who = field("Who", { required: false, autocomplete: "off", placeholder: "address or id" });
  const action = field("Action", { required: false, autocomplete: "off", placeholder: "session. or user.role" });
  const subject = field(
    "Done to", { required: false, autocomplete: "off", placeholder: "address, or user:id" }
  );
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
      who: idOf(who.input.value.trim()), action: action.input.value.trim(), subject: subjectAsked(subject.input.value.trim()), cursor,
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
    "Who", h("span", person(each.who), h("span.quiet.small", ` ${each.via}`))
  ),
    cell("Did", h("code", each.action)), cell("To", subjectOf(each.subject)),
    cell("From", each.origin || format.NOTHING), cell("What changed", changed(each), { wide: true }))));
  return list.element;
}

function changed({ before, after }) {
  const text = (value) => (
    value === undefined
      || value === null
      || value === ""
      ? "none"
      : Array.isArray(value)
      ? value.join(", ")
      : typeof value === "object"
      ? JSON.stringify(value)
      : String(value)
  );
  const same = (name) => before && after && name in before && text(before[name]) === text(after[name]);
  const found = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].filter((name) => !same(name));
  if (!found.length) return format.NOTHING;
  return h(
    "ul.small",
    found.map((name) => h(
      "li.breaks", h("b", `${format.words(name)}: `), before && name in before ? `${text(before[name])} → ` : "",
      text(after?.[name])
    ))
  );
}
