// Orders: those that work, and all. One that waits to enter can be cancelled; stops and targets belong to their position.

import { call, onceKey } from "../api.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import * as format from "../format.js";
import { tellOutcome } from "../outcomes.js";
import { cell, empty, head, loads, pill, segments, side, table, when } from "../parts.js";
import { failed } from "../toast.js";

const TYPES = { stop_market: "at the market once touched", stop_limit: "limit once touched" };
const WORKING = new Set(["submitted", "unknown", "open", "partially_filled"]);
const SOON_MS = 250;

/** The page. */
export function show(page) {
  let status = "open";
  const place = loads(
    "Your orders", () => call("GET", "/api/orders", { query: { status, limit: 200 }, signal: page.leaving.signal }),
    (answer) => list(answer.orders, status)
  );
  let due = null;
  const soon = () => { due ??= setTimeout(() => { due = null; place.load(); }, SOON_MS); };
  page.onClose(() => clearTimeout(due));
  page.listen("orders", soon, soon);
  page.listen("positions", soon, soon);
  return [head(
    "Orders",
    segments(
      "Which orders", [["open", "Working"], ["filled", "Filled"], ["all", "All"]], status,
      (chosen) => { status = chosen; place.load(); }
    )
  ),
    h("div.card.flush", place)];
}

function list(orders, status) {
  if (!orders.length) {
    return empty(
      status === "open" ? "No order is working" : "No orders", "Entries, stops and targets of your trades appear here."
    );
  }
  const columns = [
    { name: "Market" }, { name: "Order" }, { name: "State" }, { name: "Quantity", num: true },
    { name: "Price", num: true }, { name: "Filled at", num: true }, { name: "Changed" }, { name: "Actions", hidden: true },
  ];
  const made = table("Orders", columns);
  made.body.append(...orders.map(row));
  return made.element;
}

function row(each) {
  const price = each.price ?? each.trigger_price;
  const filled = Number(each.filled) && each.filled !== each.quantity ? `${format.quantity(each.filled)} of ` : "";
  const cancel = each.role === "entry" && WORKING.has(each.status) ? h(
    "button.button.slim",
    {
      type: "button", "aria-label": `Cancel the ${each.role} order of ${format.pair(each.symbol)}`,
      onclick: () => cancelOne(each),
    },
    "Cancel…"
  ) : null;
  return h("tr",
    cell(
      "",
      h(
        "span",
        h("a.strong", { href: `#/position/${encodeURIComponent(`pos-${each.plan_id}`)}` }, format.pair(each.symbol)),
        " ", side(each.action)
      ),
      { wide: true }
    ),
    cell("Order", h("span", format.words(each.role), h("br"), h(
      "span.quiet.small", TYPES[each.type] ?? format.words(each.type).toLowerCase()
    ))),
    cell(
      "State",
      h("span", pill(each.status), each.reason ? h("span.quiet.small.breaks", ` ${format.words(each.reason)}`) : null)
    ),
    cell("Quantity", `${filled}${format.quantity(each.quantity)} ${format.coin(each.symbol)}`, { num: true }),
    cell("Price", price ? format.price(price) : "market", { num: true }),
    cell("Filled at", format.price(each.average_price), { num: true }),
    cell("Changed", when(each.updated_at)), cancel ? h("td.wide", h("div.row-actions", cancel)) : h("td"));
}

async function cancelOne(order) {
  const agreed = await ask(`Cancel this ${order.role} order?`, [
    `${format.words(order.action)} ${format.quantity(order.quantity)} ${format.coin(order.symbol)} at ${order.price ?? order.trigger_price ? format.price(order.price ?? order.trigger_price) : "the market"}.`,
    "The trade is not entered by it any more. What was filled already stays.",
  ], { yes: "Cancel the order", danger: true });
  if (!agreed) return;
  try {
    tellOutcome(
      await call("DELETE", `/api/orders/${encodeURIComponent(order.id)}`, { key: onceKey() }),
      "The order is being cancelled."
    );
  } catch (error) {
    failed(error, "Not cancelled");
  }
}
