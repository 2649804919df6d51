// Executions as a table.

import { h } from "./dom.js";
import * as format from "./format.js";
import { cell, side, table, when } from "./parts.js";

/** Every execution of a trade, or a word that there was none yet. */
export function fillsTable(rows) {
  if (!rows.length) return h("p.quiet.small", "Nothing was filled yet.");
  const list = table(
    "Fills",
    [
      { name: "Fill" }, { name: "Quantity", num: true }, { name: "Price", num: true }, { name: "Fee, USDT", num: true },
      { name: "When" },
    ]
  );
  list.body.append(...rows.map((each) => h("tr", cell("Fill", side(each.action)), cell(
    "Quantity", format.quantity(each.quantity), { num: true }
  ),
    cell("Price", format.price(each.price), { num: true }),
    cell("Fee, USDT", format.money(each.fee, { places: 4 }), { num: true }), cell("When", when(each.at)))));
  return list.element;
}
