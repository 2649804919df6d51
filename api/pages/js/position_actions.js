// What can be done to an open position: close a part or all, move the stop or let it follow the price.

import { call, onceKey, Wish } from "./api.js";
import { ask, askForm } from "./dialog.js";
import { h, identifier, say } from "./dom.js";
import { field } from "./forms.js";
import * as format from "./format.js";
import { readPositions, whyOld } from "./live.js";
import { tellOutcome } from "./outcomes.js";
import { get } from "./store.js";
import { failed, toast } from "./toast.js";

/** Asks once, with figures, and closes a part or all. */
export async function closeOne(position) {
  const id = identifier("part");
  const said = h("output.quiet", { for: id });
  const part = h("input", { id, type: "range", min: 5, max: 100, step: 5, value: 100 });
  const tell = () => {
    const percent = Number(part.value);
    const made = position.unrealised_pnl === null
      ? ""
      : `, about ${format.money((Number(position.unrealised_pnl) * percent) / 100, { signed: true })} ${format.currency(position.symbol)} at the present price, before the fee`;
    say(
      said,
      `${percent} % of ${format.quantity(position.quantity)} ${format.coin(position.symbol)} is closed at the market price${made}. ${percent === 100 ? "Its stop and targets are cancelled." : "Stop and targets stay for the rest."}`
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
      "POST", `${addressOf(position)}/close`, { percent: Number(part.value) }
    ),
  });
  if (!done) return;
  tellOutcome(done, `${part.value} % of ${format.pair(position.symbol)} is being closed.`);
  readPositions();
}

/** Asks where the stop is to go: to a price, or after the best price at a distance; and moves it. */
export async function moveStop(position) {
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
  const trail = field(
    "Or let it follow the best price, % behind", { inputmode: "decimal", required: false, autocomplete: "off" },
    "Empty: it stays where you put it."
  );
  const old = position.stop_loss;
  const wish = new Wish();
  const wanted = () => (
    trail.input.value.trim()
      ? { trailing: { percent: trail.input.value.trim() } }
      : { stop_loss: input.value.trim() }
  );
  const done = await askForm(`Move the stop of ${format.pair(position.symbol)} ${position.side}`, [
    h("div.field", h("label", { for: id }, "Stop price"), input,
      h(
        "span.hint", { id: `${id}-hint` },
        `Now ${format.price(old)}; entry ${format.price(position.average_price)}, price ${format.price(position.current_price)}.`
      )),
    even, trail.element,
  ], { yes: "Move the stop", send: () => wish.send("PATCH", addressOf(position), wanted()) });
  if (!done) return;
  const back = async () => {
    try {
      tellOutcome(
        await call("PATCH", addressOf(position), { body: { stop_loss: old }, key: onceKey() }), "The stop goes back."
      );
    } catch (error) {
      failed(error, "The stop was not moved back");
    }
  };
  if (wanted().trailing) tellOutcome(done, `The stop follows the best price, ${trail.input.value} % behind.`);
  else tellOutcome(done, `The stop goes to ${format.price(input.value)}.`, old ? ["Undo", back] : null);
}

function addressOf(position) {
  return `/api/positions/${encodeURIComponent(position.id)}`;
}

/** Asks once and closes every open position. */
export async function closeAll() {
  const positions = get("positions") ?? [];
  if (!positions.length) return toast("Nothing is open.");
  const sum = positions.reduce((total, each) => total + Number(each.unrealised_pnl ?? 0), 0);
  const key = onceKey();
  const agreed = await ask(`Close all ${positions.length} positions?`, [
    `At the market price: ${positions.map((each) => format.pair(each.symbol)).join(", ")}.`,
    `About ${format.money(sum, { signed: true })} ${get("balance")?.currency ?? "USDT"} at present prices, before fees.`,
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
