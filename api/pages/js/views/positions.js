// Open positions with live figures and their actions; closed ones with what they made.

import { call, onceKey, Wish } from "../api.js";
import { ask, askForm } from "../dialog.js";
import { fill, h, identifier, keyed, say } from "../dom.js";
import * as format from "../format.js";
import { readPositions, whyOld } from "../live.js";
import { tellOutcome } from "../outcomes.js";
import { cell, empty, head, loads, pill, side, signed, table, when } from "../parts.js";
import { get, isAtLeast } from "../store.js";
import { failed, toast } from "../toast.js";
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
    { name: "Stop", num: true }, { name: "Targets" }, { name: "Profit and loss", num: true },
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
    quantity: h("span"), price: h("span"), old: h("span.pill", { "data-tone": "warn" }), stop: h("span"),
    targets: h("span"), pnl: signed(null), made: h("span.quiet.small"),
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
        "span", h("a.strong", { href: `#/signals/${first.signal_id}` }, format.pair(first.symbol)), " ",
        side(first.side), h("br"),
        h("span.quiet.small", `${format.quantity(first.leverage)}x · `, when(first.opened_at))
      ),
      { wide: true }
    ),
    cell("Quantity", parts.quantity, { num: true }), cell("Entry", format.price(first.average_price), { num: true }),
    cell("Price", [parts.old, " ", parts.price], { num: true }), cell("Stop", parts.stop, { num: true }),
    cell("Targets", parts.targets),
    cell("Profit and loss", [parts.pnl, h("br"), parts.made], { num: true }),
    h("td.wide", isAtLeast("subscriber")
      ? h("div.row-actions", button("Close…", closeOne, true), button("Stop…", moveStop)) : null));
  const update = (each) => {
    now = each;
    const why = whyOld(each.symbol);
    say(
      parts.quantity,
      each.quantity === each.initial_quantity ? format.quantity(
        each.quantity
      ) : `${format.quantity(each.quantity)} of ${format.quantity(each.initial_quantity)}`
    );
    say(parts.price, format.price(each.current_price));
    say(parts.old, why ?? "");
    parts.old.hidden = !why;
    say(parts.stop, format.price(each.stop_loss));
    say(parts.targets, ladder(each));
    parts.pnl.update(each.unrealised_pnl);
    say(parts.made, Number(each.realised_pnl) ? `made ${format.money(each.realised_pnl, { signed: true })}` : "");
  };
  update(first);
  return { element, update };
}

function ladder(position) {
  const hit = position.targets.filter((each) => each.hit_at).length;
  const next = position.targets.find((each) => !each.hit_at);
  if (!position.targets.length) return "none";
  return next ? `${hit} of ${position.targets.length}, next ${format.price(next.price)}` : `all ${hit} reached`;
}

/** Asks once, with figures, and closes a part or all. */
async function closeOne(position) {
  const id = identifier("part");
  const said = h("output.quiet", { for: id });
  const part = h("input", { id, type: "range", min: 5, max: 100, step: 5, value: 100 });
  const tell = () => {
    const percent = Number(part.value);
    const made = position.unrealised_pnl === null
      ? ""
      : `, about ${format.money((Number(position.unrealised_pnl) * percent) / 100, { signed: true })} at the present price`;
    say(
      said,
      `${percent} % of ${format.quantity(position.quantity)} ${format.pair(position.symbol)} is closed at the market price${made}. ${percent === 100 ? "Its stop and targets are cancelled." : "Stop and targets stay for the rest."}`
    );
  };
  part.addEventListener("input", tell);
  tell();
  const wish = new Wish();
  const done = await askForm(`Close ${format.pair(position.symbol)} ${position.side}?`, [
    h("div.field", h("label", { for: id }, "How much"), part, said),
    whyOld(position.symbol) ? h("p.trouble", "The price shown is old; the real one may be another.") : null,
  ], {
    yes: "Close it", danger: true,
    send: () => wish.send(
      "POST", `/api/positions/${encodeURIComponent(position.id)}/close`, { percent: Number(part.value) }
    ),
  });
  if (!done) return;
  tellOutcome(done, `${part.value} % of ${format.pair(position.symbol)} is being closed.`);
  readPositions();
}

async function moveStop(position) {
  const id = identifier("stop");
  const input = h(
    "input",
    {
      id, inputmode: "decimal", required: true, value: position.stop_loss ?? "", autocomplete: "off",
      "aria-describedby": `${id}-hint`,
    }
  );
  const even = h(
    "button.button.slim", { type: "button", onclick: () => { input.value = position.average_price; } }, "At the entry"
  );
  const old = position.stop_loss;
  const done = await askForm(`Move the stop of ${format.pair(position.symbol)} ${position.side}`, [
    h("div.field", h("label", { for: id }, "Stop price"), input,
      h(
        "span.hint", { id: `${id}-hint` },
        `Now ${format.price(old)}; entry ${format.price(position.average_price)}, price ${format.price(position.current_price)}.`
      )),
      even,
  ], { yes: "Move the stop", send: () => patchStop(position, input.value.trim()) });
  if (!done) return;
  const back = async () => {
    try {
      tellOutcome(await patchStop(position, old), "The stop goes back.");
    } catch (error) {
      failed(error, "The stop was not moved back");
    }
  };
  tellOutcome(done, `The stop goes to ${format.price(input.value)}.`, old ? ["Undo", back] : null);
}

function patchStop(position, price) {
  return call(
    "PATCH", `/api/positions/${encodeURIComponent(position.id)}`, { body: { stop_loss: price }, key: onceKey() }
  );
}

async function closeAll() {
  const positions = get("positions") ?? [];
  if (!positions.length) return toast("Nothing is open.");
  const sum = positions.reduce((total, each) => total + Number(each.unrealised_pnl ?? 0), 0);
  const key = onceKey();
  const agreed = await ask(`Close all ${positions.length} positions?`, [
    `At the market price: ${positions.map((each) => format.pair(each.symbol)).join(", ")}.`,
    `About ${format.money(sum, { signed: true })} at present prices, before fees.`,
    "This can't be undone. New signals are still traded; to stop those too, use Stop trading.",
  ], { yes: "Close all", danger: true });
  if (!agreed) return;
  try {
    const answer = await call(
      "POST", "/api/positions/bulk-close", { body: { position_ids: positions.map((each) => each.id) }, key }
    );
    tellOutcome(answer, "All positions are being closed.");
    readPositions();
  } catch (error) {
    failed(error, "Not closed");
  }
}

function history(page) {
  const columns = [
    { name: "Market" }, { name: "Quantity", num: true }, { name: "Entry", num: true }, { name: "Result", num: true },
    { name: "Fees", num: true }, { name: "Why" }, { name: "Closed" },
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
      h("span", h("a.strong", { href: `#/signals/${each.signal_id}` }, format.pair(each.symbol)), " ", side(each.side)),
      { wide: true }
    ),
    cell("Quantity", format.quantity(each.initial_quantity), { num: true }),
    cell("Entry", format.price(each.average_price), { num: true }),
    cell("Result", signed(Number(each.realised_pnl) - Number(each.fees)), { num: true }),
    cell("Fees", format.money(each.fees), { num: true }),
    cell("Why", pill(each.close_reason, "")), cell("Closed", when(each.closed_at)));
}
