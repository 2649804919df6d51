// One position: its figures, its chart, its orders and fills, and what can be done to it.

import { call } from "../api.js";
import { fill, h } from "../dom.js";
import { fillsTable } from "../fills.js";
import * as format from "../format.js";
import { calmly, whyOld } from "../live.js";
import { marketChart } from "../market_chart.js";
import { card, cell, facts, head, loads, pill, side, signed, table, when } from "../parts.js";
import { closeOne, moveStop } from "../position_actions.js";
import { get, isAtLeast } from "../store.js";

/** The page. */
export function show(page, { id }) {
  const address = `/api/positions/${encodeURIComponent(id)}`;
  const read = async () => (await call("GET", address, { signal: page.leaving.signal })).position;
  const place = loads("The position", read, (position) => {
    const parts = h("div.stack");
    const draw = (now) => fill(
      parts, h("div.grid", figures(now), plan(now)), orders(now.orders), card("Fills", fillsTable(now.fills))
    );
    draw(position);
    const again = calmly(async () => {
      if (page.closed) return;
      try {
        draw(await read());
      } catch (error) {
        if (error.kind === undefined && error.name !== "AbortError") throw error;
      }
    });
    for (const topic of ["positions", "orders"]) page.listen(
      topic, (data) => data.plan_id === position.plan?.id && again(), again
    );
    return [top(page, position), chart(page, position), parts];
  });
  return [head("Position", h("a.button.bare", { href: "#/positions" }, "All positions")), place];
}

/** What it is, what it makes right now, and its actions while it is open. */
function top(page, position) {
  const live = h("span");
  const acts = h("span.form-actions");
  page.watch(["positions", "prices", "stale", "streaming", "reachable"], (positions) => {
    const now = positions?.find((each) => each.id === position.id) ?? null;
    const why = now ? whyOld(now.symbol) : null;
    fill(live, now ? [
      h("b", signed(now.unrealised_pnl)), ` ${format.currency(now.symbol)} at ${format.price(now.current_price)} `,
      why ? h("span.pill", { "data-tone": "warn" }, why) : null,
    ] : pill(position.status === "open" && positions !== null ? "closed" : position.status));
    if (Boolean(now) === (acts.childElementCount > 0)) return;
    fill(acts, now && isAtLeast("subscriber") ? [
      h("button.button.danger", { type: "button", onclick: () => closeOne(present(position)) }, "Close…"),
      h("button.button", { type: "button", onclick: () => moveStop(present(position)) }, "Stop…"),
    ] : null);
  });
  return h("header.signal-head", h("h2", format.pair(position.symbol), " ", side(position.side)), live, acts);
}

/** The position as the stream told it last. */
function present(position) {
  return get("positions")?.find((each) => each.id === position.id) ?? position;
}

function figures(position) {
  const closed = position.status === "closed";
  const unit = format.currency(position.symbol);
  return card("Figures", facts(
    ["Quantity", `${format.quantity(position.quantity)} left of ${format.quantity(position.initial_quantity)} ${format.coin(position.symbol)}`],
    ["Entry", format.price(position.average_price)],
    ["Stop", position.stop_loss ? format.price(position.stop_loss) : "none"],
    ["Leverage", `${format.quantity(position.leverage)}x`], [closed ? "Result before fees" : "Closed part made", h("span", signed(position.realised_pnl), ` ${unit}`)],
    ["Fees", `${format.money(position.fees)} ${unit}`], ["Opened", when(position.opened_at)],
    closed ? [
      "Closed", h("span", when(position.closed_at), `, ${format.words(position.close_reason).toLowerCase()}`),
    ] : null,
    position.signal_id ? ["Signal", h("a", { href: `#/signals/${position.signal_id}` }, "What it came from")]
      : ["Came from", "a wish by hand, or a strategy"]));
}

function plan({ symbol, plan: made, targets, waiting_orders: waiting }) {
  const steps = targets.map((each, index) => h("li", `Target ${index + 1}: ${format.price(each.price)}, ${format.share(each.share)} `,
    each.hit_at ? [pill("reached", "good"), " ", when(each.hit_at, { class: "quiet small" })] : null));
  const notes = made?.notes ?? [];
  const working = (waiting ?? []).filter((each) => !each.ended_at && each.status !== "ended");
  return card("Plan", h("div.stack", steps.length ? h("ol.stack", steps) : h("p.quiet", "No targets."),
    made?.risk_amount ? h("p.quiet", `${format.money(made.risk_amount)} ${format.currency(symbol)} at risk with the first stop.`) : null,
    working.length ? h(
      "p", `Also at work: ${working.map((each) => format.words(each.kind ?? each.type).toLowerCase()).join(", ")}.`
    ) : null,
    notes.length ? h("ul.points.small", notes.map((note) => h("li", note))) : null));
}

function orders(rows) {
  const made = table(
    "Orders of this position",
    [
      { name: "Order" }, { name: "State" }, { name: "Quantity", num: true }, { name: "Price", num: true },
      { name: "Changed" },
    ]
  );
  made.body.append(...rows.map((each) => h("tr", cell(
    "Order", h("span", side(each.action), ` ${each.role}`)
  ), cell("State", pill(each.status)),
    cell("Quantity", format.quantity(each.quantity), { num: true }),
    cell(
      "Price", each.price ?? each.trigger_price ? format.price(each.price ?? each.trigger_price) : "market",
      { num: true }
    ),
    cell("Changed", when(each.updated_at)))));
  return card("Orders", made.element, { flush: true });
}

function chart(page, position) {
  const long = position.side === "LONG";
  const at = (moment) => Math.floor(new Date(moment).getTime() / 1000);
  const levels = [{ price: position.average_price, kind: "entry", title: "entry", done: true }];
  position.targets.forEach((each, index) => levels.push(
    {
      price: each.price, kind: "target", title: `target ${index + 1}${each.hit_at ? " reached" : ""}`,
      done: Boolean(each.hit_at),
    }
  ));
  if (position.stop_loss) levels.push({ price: position.stop_loss, kind: "stop", title: "stop" });
  const entry = position.side === "LONG" ? "buy" : "sell";
  const marks = position.fills.map((each) => (
    {
      time: at(each.at), kind: each.action === entry ? "entry" : "exit", text: each.action === entry ? "in" : "out",
      long,
    }
  )).sort((one, other) => one.time - other.time);
  return marketChart(page, {
    symbol: position.symbol, since: position.opened_at, ended: position.closed_at, levels, marks,
    label: `Chart of ${format.pair(position.symbol)} ${position.side}: entry ${format.price(position.average_price)}, stop ${format.price(position.stop_loss)}.`,
  });
}
