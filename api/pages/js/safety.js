// The kill switch: what it says, stopping for a while or until further notice, and going on.

import { call, onceKey } from "./api.js";
import { ask, askForm } from "./dialog.js";
import { fill, h, icon, identifier } from "./dom.js";
import { choice } from "./forms.js";
import { readSafety } from "./live.js";
import { get, isAtLeast } from "./store.js";
import { failed, toast } from "./toast.js";

const PAUSES = [["15", "15 minutes"], ["60", "an hour"], ["240", "4 hours"], ["1440", "a day"], ["10080", "a week"]];

/** The stops that hold for the person signed in: [{scope, stage, by, reason, until}]. */
export function stops() {
  const said = get("safety");
  const me = get("principal")?.user_id;
  const account = get("balance")?.account_id;
  const mine = (each) => each.scope === "global" || each.scope_id === me || (
    each.scope === "account"
      && (!isAtLeast("operator") || each.scope_id === account)
  );
  const over = (each) => each.until && new Date(each.until) <= Date.now();
  const found = (said?.states ?? []).filter(
    (each) => each.stage
      && each.stage !== "active"
      && mine(each)
      && !over(each)
  );
  if (said?.kill_file) found.push({ scope: "file", stage: "reducing", by: "the file KILL", reason: "" });
  return found;
}

/** Who stopped it, for a person: an id of somebody else says nothing to the reader. */
export function who(by) {
  if (by && by === get("principal")?.user_id) return "you";
  return /^u-[0-9a-f]+$/.test(by ?? "") ? "an operator" : by;
}

/** Whether trading is stopped for the person signed in, as far as is known. */
export function isHalted() {
  const said = get("safety");
  return said?.trading ? said.trading !== "active" : stops().length > 0;
}

/** The button for the bar: stops, or goes on. */
export function killButton() {
  const button = h("button.button", { type: "button", id: "kill-switch" });
  let shown = null;
  button.addEventListener("click", () => (isHalted() ? resume() : stop()));
  button.update = () => {
    button.hidden = get("principal")?.role === "read_only";
    const halted = isHalted();
    if (halted === shown) return;
    shown = halted;
    fill(button, icon(halted ? "play" : "stop"), h("span", halted ? "Resume" : "Stop trading"));
    button.classList.toggle("danger", !halted);
    button.classList.toggle("main", halted);
  };
  button.update();
  return button;
}

/** Asks whose trading, how far and for how long, once, and stops. */
export async function stop() {
  const name = identifier("stop");
  const radio = (group, value, text, hint, checked) => h(
    "label.check", h("input", { type: "radio", name: `${name}-${group}`, value, checked }),
    h("span", h("b", text), h("br"), h("span.quiet.small", hint)));
  const reason = h(
    "input", { name: "reason", maxlength: 200, id: `${name}-reason`, placeholder: "Optional, kept in the log" }
  );
  const pause = choice("For", PAUSES, "60");
  pause.element.hidden = true;
  const whose = isAtLeast("operator") ? h("fieldset.stack", h("legend.strong", "Whose trading"),
    radio("whose", "global", "Everybody's", "Every account of this service.", true),
    radio("whose", "own", "Only mine", "Your accounts.", false)) : null;
  const how = h("fieldset.stack",
    { onchange: () => { pause.element.hidden = chosen(how) !== "pause"; } }, h("legend.strong", "How far"),
    radio("how", "kill", "No new trades", "Open positions stay, with their stops and targets.", true),
    radio("how", "pause", "No new trades for a while", "Goes on by itself after that.", false), pause.element,
    radio(
      "how", "flatten", "No new trades, and close everything", "Every open position is closed at the market price.",
      false
    ));
  const done = await askForm("Stop trading?",
    [whose, how, h("div.field", h("label", { for: `${name}-reason` }, "Reason"), reason)], {
    yes: "Stop trading", danger: true,
    send: async () => {
      const scope = whose ? chosen(whose) : "own";
      const way = chosen(how);
      const body = { reason: reason.value, scope };
      if (way === "pause") await call(
        "POST", "/api/safety/pause", { body: { ...body, duration_minutes: Number(pause.input.value) }, key: onceKey() }
      );
      else await call("POST", "/api/safety/killswitch", { body: { ...body, flatten: way === "flatten" } });
      return way;
    },
  });
  if (!done) return;
  await readSafety();
  const said = {
    kill: "Trading is stopped: no new trades.", pause: "Trading is paused.",
    flatten: "Trading is stopped; open positions are being closed.",
  };
  toast(said[done], { undo: ["Resume", resume] });
}

function chosen(fields) {
  return fields.querySelector("input[type=radio]:checked").value;
}

/** Asks once and trades on, wherever the person may. */
export async function resume() {
  const found = stops();
  const global = found.some((each) => each.scope === "global");
  const own = found.some((each) => each.scope === "user" || each.scope === "account");
  if (found.some((each) => each.scope === "file")) {
    return toast("The file KILL in the data directory stops trading. Remove it to go on.", { level: "bad" });
  }
  if (global && !isAtLeast("operator")) return toast(
    "Trading is stopped for everybody by whoever runs this service; you can't resume it.", { level: "bad" }
  );
  const agreed = await ask("Resume trading?", [
    global ? "For everybody: new signals are traded again." : "For your accounts: new signals are traded again.",
    "The day's loss limit starts from a fresh baseline.",
    "Nothing that was closed is opened again.",
  ], { yes: "Resume trading" });
  if (!agreed) return;
  try {
    if (global) await call("POST", "/api/safety/resume", { body: { scope: "global" }, key: onceKey() });
    if (own || !global) await call("POST", "/api/safety/resume", { body: { scope: "own" }, key: onceKey() });
    await readSafety();
    if (isHalted()) toast(`Trading is still stopped: ${get("safety")?.sentence || "see System"}`, { level: "bad" });
    else toast("Trading goes on.");
  } catch (error) {
    failed(error, "Trading was not resumed");
  }
}
