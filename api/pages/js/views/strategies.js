// Your strategies: what each is, whether it trades, what it said last; and those that come with the house to begin from.

import { call } from "../api.js";
import { ask, show as showDialog } from "../dialog.js";
import { h } from "../dom.js";
import * as format from "../format.js";
import { card, cell, empty, head, loads, pill, side, table, when } from "../parts.js";
import { failed, toast } from "../toast.js";

/** The tabs of the two pages about strategies. */
export function tabs(here) {
  const tab = (name, text) => h("a", { href: `#/${name}`, "aria-current": here === name ? "page" : null }, text);
  return h(
    "nav.tabs", { "aria-label": "Strategies and backtests" }, tab("strategies", "Strategies"),
    tab("backtests", "Backtests")
  );
}

/** The page. */
export function show(page) {
  const place = loads(
    "Your strategies", () => call("GET", "/api/strategies", { query: { limit: 100 }, signal: page.leaving.signal }),
    ({ strategies }) => list(strategies, place)
  );
  return [head("Strategies", h("a.button.main", { href: "#/strategies/new" }, "New strategy")), tabs("strategies"),
    h("div.stack", h("div.card.flush", place), card("To begin from", builtins(page)))];
}

function list(strategies, place) {
  if (!strategies.length) return empty(
    "No strategy of your own yet",
    "Build one from conditions, or begin from one of those below. A new strategy is switched off until you switch it on."
  );
  const made = table(
    "Your strategies",
    [
      { name: "Name" }, { name: "Markets" }, { name: "Timeframe" }, { name: "State" }, { name: "Last decided" },
      { name: "Actions", hidden: true },
    ]
  );
  made.body.append(...strategies.map((each) => row(each, place)));
  return made.element;
}

function row(each, place) {
  const address = encodeURIComponent(each.id);
  const button = (name, act, danger = false) => h(
    "button.button.slim",
    {
      type: "button", class: danger ? "danger" : null, "aria-label": `${name.replace("…", "")} ${each.name}`,
      onclick: act,
    },
    name
  );
  const runs = each.runs ?? [];
  const troubled = runs.find((run) => run.problem);
  return h("tr",
    { "data-strategy": each.id },
    cell("", h("a.strong.breaks", { href: `#/strategies/${address}` }, each.name), { wide: true }),
    cell("Markets", h("span.breaks", each.symbols.map(format.pair).join(", ") || "none yet")),
    cell("Timeframe", each.timeframe),
    cell(
      "State",
      h(
        "span", pill(each.enabled ? "enabled" : "off", each.enabled ? "good" : ""),
        troubled ? [" ", h("span.warn.small.breaks", troubled.problem)] : null
      )
    ),
    cell("Last decided", runs[0]?.decided_until ? when(runs[0].decided_until) : "not yet"),
    h("td.wide",
      h("div.row-actions",
        button("Now", () => now(each)),
        h(
          "a.button.slim", { href: `#/backtests?strategy=${address}`, "aria-label": `Backtest ${each.name}` },
          "Backtest"
        ),
      button(each.enabled ? "Switch off" : "Switch on…", () => toggle(each, place)),
      button("Delete…", () => remove(each, place), true))));
}

function now(each) {
  const place = loads(
    "What it says", () => call("POST", `/api/strategies/${encodeURIComponent(each.id)}/evaluate`, { body: {} }),
    ({ evaluations }) => h("div.stack", evaluations.map(evaluation))
  );
  showDialog(`What ${each.name} says now`, place);
}

function evaluation(one) {
  if (one.problem) return h("section.stack", h("h3", format.pair(one.symbol)), h("p.warn", one.problem));
  return h("section.stack",
    h("h3", format.pair(one.symbol), " ", one.conditions_met ? side(one.signal) : h("span.quiet", "no signal")),
    h(
      "p.quiet.small", `At ${format.price(one.price)}, the ${one.timeframe} candle closed `, when(one.at),
      one.exchange === "simulated" ? ", simulated market." : "."
    ),
    one.sides.map((each) => [
      conditions(`To ${each.action === "SELL" ? "sell" : "buy"}`, each.entry), conditions("To exit", each.exit),
    ]));
}

function conditions(title, rows) {
  if (!rows.length) return null;
  return [
    h("h4.small", title),
    h(
      "ul.lines",
      rows.map((each) => h(
        "li", h("span.breaks", each.condition),
        h("span.quiet.small", ` ${format.figure(each.left)} against ${format.figure(each.right)}`),
        h("span.line-end", pill(each.holds ? "holds" : "does not hold", each.holds ? "good" : ""))
      ))
    ),
  ];
}

async function toggle(each, place) {
  const on = !each.enabled;
  if (on && !(await ask(`Switch ${each.name} on?`, [
    `At each closed ${each.timeframe} candle of ${each.symbols.map(format.pair).join(", ") || "its markets"} it is decided, and an entry is traded on your account.`,
    "Your limits and the kill switch apply as to every signal.",
    "Switching it off leaves open trades with their stops.",
  ], { yes: "Switch it on" }))) return;
  const change = async (enabled) => {
    await call("POST", `/api/strategies/${encodeURIComponent(each.id)}/toggle`, { body: { enabled } });
    place.load();
  };
  try {
    await change(on);
    toast(
      on ? `${each.name} is on.` : `${each.name} is off.`,
      { undo: ["Undo", () => change(!on).catch((error) => failed(error, "Not undone"))] }
    );
  } catch (error) {
    failed(error, "Nothing was changed");
  }
}

async function remove(each, place) {
  if (!(
    await ask(
      `Delete ${each.name}?`, ["It is forgotten with its versions; its open trades stay, with their stops."],
      { yes: "Delete", danger: true }
    )
  )) return;
  try {
    await call("DELETE", `/api/strategies/${encodeURIComponent(each.id)}`);
    place.load();
    toast(`${each.name} is deleted.`, { undo: ["Undo", async () => {
      try {
        await call("POST", "/api/strategies", { body: each.document });
        place.load();
      } catch (error) {
        failed(error, "Not undone");
      }
    }] });
  } catch (error) {
    failed(error, "Not deleted");
  }
}

function builtins(page) {
  return loads("The built-in strategies",
    () => call("GET", "/api/strategies/builtin", { signal: page.leaving.signal }),
    ({ strategies }) => h("ul.grid",
      strategies.map((each) => h("li.stack", h("h3", each.title), h("p.quiet.small", each.explanation),
    h(
      "div.form-actions",
      h(
        "a.button.slim",
        { href: `#/strategies/new?from=${encodeURIComponent(each.name)}`, "aria-label": `Begin from ${each.title}` },
        "Begin from it"
      ),
      h(
        "a.button.slim",
        { href: `#/backtests?builtin=${encodeURIComponent(each.name)}`, "aria-label": `Backtest ${each.title}` },
        "Backtest"
      )
    )))));
}
