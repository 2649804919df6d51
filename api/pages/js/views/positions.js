// Open positions with live figures and their actions; closed ones with what they made.

import { call } from "../api.js";
import { fill, h, keyed, say } from "../dom.js";
import * as format from "../format.js";
import { whyOld } from "../live.js";
import { cell, empty, head, loads, pill, side, signed, table, when } from "../parts.js";
import { closeAll, closeOne, moveStop } from "../position_actions.js";
import { get, isAtLeast } from "../store.js";
import { failed } from "../toast.js";
import { openTrade } from "./trade_form.js";

/** The page; `which` is `closed` for the history. */
export function show(page, { which }) {
  const closed = which === "closed";
  const tab = (address, name, here) => h("a", { href: `#/${address}`, "aria-current": here ? "page" : null }, name);
  const tools = closed || !isAtLeast("subscriber") ? [] : [
    h("button.button.main", { type: "button", onclick: openTrade }, "New trade…"),
    h("button.button.danger", { type: "button", onclick: closeAll }, "Close all…"),
  ];
  return [head("Positions", ...tools), h("nav.tabs", { "aria-label": "Which positions" },
    tab("positions", "Open", !closed), tab("positions/closed", "Closed", closed), tab("orders", "Orders", false)),
  closed ? history(page) : open(page)];
}

function open(page) {
  const columns = [
    { name: "Market" }, { name: "Quantity", num: true }, { name: "Entry", num: true }, { name: "Price", num: true },
    { name: "Stop", num: true }, { name: "Targets" }, { name: "Profit and loss, USDT", num: true },
    { name: "Actions", hidden: true }];
  const list = table("Open positions", columns);
  const place = h("div.card.flush");
  const draw = keyed(list.body, (each) => each.id, row);
  page.watch(["positions", "prices", "stale", "streaming", "reachable", "health"], (positions) => {
    if (positions === null) return fill(place, h("p.empty", "Reading your positions…"));
    if (!positions.length) {
      return fill(
        place,
        empty("Nothing is open",
          "A position opens when a signal of a source that you follow is traded. What was refused, and why, is with each signal.",
        h("a.button", { href: "#/signals" }, "Look at the signals")));
    }
    draw(positions);
    if (!list.element.isConnected) fill(place, list.element);
  });
  page.every(5000, () => get("positions")?.length && draw(get("positions")));
  return place;
}

function row(first) {
  const parts = {
    quantity: h("span"), whole: h("span.quiet.small"), price: h("span"), old: h("span.pill", { "data-tone": "warn" }), stop: h("span"),
    targets: h("span.nowrap"), next: h("span.quiet.small.nowrap"), pnl: signed(null), made: h("span.quiet.small"),
  };
  let now = first;
  const button = (name, act, danger = false) => h("button.button.slim", {
    type: "button", class: danger ? "danger" : null, onclick: () => act(now),
    "aria-label": `${name.replace("…", "")} ${format.pair(first.symbol)} ${first.side}`,
  }, name);
  const element = h("tr", { "data-position": first.id },
    cell(
      "",
      h(
        "span", h("a.strong", { href: `#/position/${encodeURIComponent(first.id)}` }, format.pair(first.symbol)), " ",
        side(first.side), h("br"),
        h("span.quiet.small", `${format.quantity(first.leverage)}x · `, when(first.opened_at))
      ),
      { wide: true }
    ),
    cell("Quantity", [parts.quantity, h("br"), parts.whole], { num: true }),
    cell("Entry", format.price(first.average_price), { num: true }),
    cell("Price", [parts.price, h("br"), parts.old], { num: true }), cell("Stop", parts.stop, { num: true }),
    cell("Targets", [parts.targets, h("br"), parts.next]),
    cell("Profit and loss, USDT", [parts.pnl, h("br"), parts.made], { num: true }),
    h("td.wide", isAtLeast("subscriber")
      ? h("div.row-actions", button("Close…", closeOne, true), button("Stop…", moveStop)) : null));
  const update = (each) => {
    now = each;
    const why = whyOld(each.symbol);
    say(parts.quantity, `${format.quantity(each.quantity)} ${format.coin(each.symbol)}`);
    say(parts.whole, each.quantity === each.initial_quantity ? "" : `left of ${format.quantity(each.initial_quantity)}`);
    say(parts.price, format.price(each.current_price));
    say(parts.old, why ?? "");
    parts.old.hidden = !why;
    say(parts.stop, format.price(each.stop_loss));
    const [reached, next] = ladder(each);
    say(parts.targets, reached);
    say(parts.next, next);
    parts.pnl.update(each.unrealised_pnl);
    say(parts.made, Number(each.realised_pnl) ? `closed part ${format.money(each.realised_pnl, { signed: true })}` : "");
  };
  update(first);
  return { element, update };
}

/** How many targets were reached, and the next one. */
function ladder(position) {
  const hit = position.targets.filter((each) => each.hit_at).length;
  const next = position.targets.find((each) => !each.hit_at);
  if (!position.targets.length) return ["none", ""];
  return next
    ? [`${hit} of ${position.targets.length} reached`, `next ${format.price(next.price)}`]
    : [`all ${hit} reached`, ""];
}

function history(page) {
  const columns = [
    { name: "Market" }, { name: "Quantity", num: true }, { name: "Entry", num: true },
    { name: "Result after fees, USDT", num: true }, { name: "Fees, USDT", num: true }, { name: "Why" },
    { name: "Closed" },
  ];
  const list = table("Closed positions", columns);
  const more = h("button.button", { type: "button", hidden: true }, "Show older ones");
  let cursor = null;
  const read = async () => {
    const answer = await call(
      "GET", "/api/positions", { query: { status: "closed", limit: 50, cursor }, signal: page.leaving.signal }
    );
    cursor = answer.next_cursor;
    more.hidden = !cursor;
    list.body.append(...answer.positions.map(past));
    return answer;
  };
  more.addEventListener("click", () => read().catch((error) => failed(error, "No more positions")));
  return h("div.card.flush",
    loads("Closed positions", read, () => (list.body.childElementCount ? [list.element, h("div.form-actions", more)]
    : empty("Nothing was closed yet", "What your positions made appears here."))));
}

function past(each) {
  return h("tr",
    cell(
      "",
      h(
        "span", h("a.strong", { href: `#/position/${encodeURIComponent(each.id)}` }, format.pair(each.symbol)), " ",
        side(each.side)
      ),
      { wide: true }
    ),
    cell("Quantity", `${format.quantity(each.initial_quantity)} ${format.coin(each.symbol)}`, { num: true }),
    cell("Entry", format.price(each.average_price), { num: true }),
    cell("Result after fees, USDT", signed(Number(each.realised_pnl) - Number(each.fees)), { num: true }),
    cell("Fees, USDT", format.money(each.fees), { num: true }),
    cell("Why", pill(each.close_reason, "")), cell("Closed", when(each.closed_at)));
}
