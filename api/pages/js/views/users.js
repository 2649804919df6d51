// Users, as admins see them: roles, switching off and on, ending sign-ins.

import { call } from "../api.js";
import { ask, askForm } from "../dialog.js";
import { h } from "../dom.js";
import { choice } from "../forms.js";
import * as format from "../format.js";
import { cell, empty, head, loads, pill, table, when } from "../parts.js";
import { get } from "../store.js";
import { failed, toast } from "../toast.js";

const ROLES = {
  read_only: "may look, not trade", subscriber: "trades for themselves", analyst: "hands in signals as well",
  operator: "runs the service", admin: "and its users", owner: "everything",
};

/** The page. */
export function show(page) {
  let search = "";
  let cursor = null;
  const more = h("button.button", { type: "button", hidden: true }, "Show more");
  const list = table(
    "Users",
    [
      { name: "Who" }, { name: "Role" }, { name: "State" }, { name: "Telegram" }, { name: "Accounts", num: true },
      { name: "Last seen" }, { name: "Since" }, { name: "Actions", hidden: true },
    ]
  );
  const read = async () => {
    const answer = await call(
      "GET", "/api/admin/users", { query: { search, cursor, limit: 50 }, signal: page.leaving.signal }
    );
    if (cursor === null) list.body.replaceChildren();
    list.body.append(...answer.users.map((each) => row(each, again)));
    cursor = answer.next_cursor;
    more.hidden = !cursor;
    return answer;
  };
  const place = loads(
    "The users", read,
    () => (
      list.body.childElementCount
        ? list.element
        : empty("Nobody fits", "Search by a part of the address, the name or the id.")
    )
  );
  const again = () => { cursor = null; place.load(); };
  more.addEventListener("click", () => read().catch((error) => failed(error, "No more users")));
  let due = null;
  const box = h("input", { type: "search", placeholder: "Search users", "aria-label": "Search users", oninput: () => {
    clearTimeout(due);
    due = setTimeout(() => { search = box.value.trim(); again(); }, 250);
  } });
  page.onClose(() => clearTimeout(due));
  return [head("Users", box), h("div.card.flush", place, h("div.form-actions", more))];
}

function row(each, again) {
  const name = each.email || each.name || each.id;
  const mine = each.id === get("principal")?.user_id;
  const button = (text, act, danger = false) => h(
    "button.button.slim",
    {
      type: "button", class: danger ? "danger" : null, "aria-label": `${text.replace("…", "")}: ${name}`, onclick: act,
    },
    text
  );
  return h("tr",
    { "data-user": each.id },
    cell(
      "",
      h(
        "span.user-name", h("b", name), mine ? [" ", pill("you", "info")] : null,
        each.name && each.email ? h("span.quiet.small", ` ${each.name}`) : null
      ),
      { wide: true }
    ),
    cell("Role", h("span.nowrap", format.words(each.role))), cell("State", pill(each.enabled ? "enabled" : "disabled")),
    cell("Telegram", each.telegram_linked ? "linked" : "no"),
    cell("Accounts", each.accounts, { num: true }),
    cell("Last seen", each.last_seen_at ? when(each.last_seen_at, { class: "nowrap" }) : "never"),
    cell("Since", when(each.created_at, { class: "nowrap" })),
    h("td.wide", h("div.row-actions", button("Role…", () => changeRole(each, name, again)),
      mine ? null : button(each.enabled ? "Switch off…" : "Switch on", () => toggle(each, name, again), each.enabled),
      button("Sign out", () => signOut(each, name)))));
}

async function changeRole(each, name, again) {
  const role = choice(
    "Role", Object.entries(ROLES).map(([value, text]) => [value, `${format.words(value)}: ${text}`]), each.role
  );
  const done = await askForm(
    `Role of ${name}`, role.element, { yes: "Change the role", send: () => patch(each.id, { role: role.input.value }) }
  );
  if (!done) return;
  again();
  if (done.changed === false) return;
  toast(
    `${name} is now ${format.words(role.input.value).toLowerCase()}.`,
    { undo: ["Undo", () => patch(each.id, { role: each.role }).then(again, (error) => failed(error, "Not undone"))] }
  );
}

async function toggle(each, name, again) {
  const off = each.enabled;
  if (
    off
      && !(await ask(
        `Switch ${name} off?`,
        ["Their sign-ins and keys end at once.", "Nothing new is traded for them; open positions keep their stops."],
        { yes: "Switch off", danger: true }
      ))
  ) return;
  try {
    await patch(each.id, { enabled: !off });
    again();
    toast(off ? `${name} is switched off.` : `${name} may come in again. Their trading stays stopped until they resume it.`,
      off ? {
        undo: ["Undo", () => patch(each.id, { enabled: true }).then(again, (error) => failed(error, "Not undone"))]
      } : {});
  } catch (error) {
    failed(error, "Nothing was changed");
  }
}

async function signOut(each, name) {
  try {
    const answer = await call("POST", `/api/admin/users/${encodeURIComponent(each.id)}/sign-out`, { body: {} });
    toast(`${answer.sessions_ended} sign-ins of ${name} ended.`);
  } catch (error) {
    failed(error, "Not ended");
  }
}

function patch(id, body) {
  return call("PATCH", `/api/admin/users/${encodeURIComponent(id)}`, { body });
}
