// The kill switch: what it says, stopping and going on.

import { call } from "./api.js";
import { ask } from "./dialog.js";
import { h, icon, identifier } from "./dom.js";
import { askForm } from "./dialog.js";
import { readSafety } from "./live.js";
import { get, isAtLeast } from "./store.js";
import { failed, toast } from "./toast.js";

/** The states that stop something now: [{scope, stage, by, reason}]. */
export function stops() {
  const said = get("safety");
  const found = (said?.states ?? []).filter((each) => each.stage && each.stage !== "active");
  if (said?.kill_file) found.push({ scope: "global", stage: "reducing", by: "the file KILL", reason: "remove the file to go on" });
  return found;
}

/** Whether trading is stopped, as far as is known. */
export function isHalted() {
  return stops().length > 0 || get("health")?.trading === "halted";
}

/** The button for the bar: stops, or goes on. */
export function killButton() {
  const button = h("button.button.danger", { type: "button", id: "kill-switch" });
  button.update = () => {
    const halted = isHalted();
    button.replaceChildren(icon(halted ? "play" : "stop"), h("span", halted ? "Resume" : "Stop trading"));
    button.classList.toggle("danger", !halted);
    button.classList.toggle("main", halted);
    button.onclick = halted ? resume : stop;
  };
  button.update();
  return button;
}

/** Asks how far to stop, once, and stops. */
export async function stop() {
  const everybody = isAtLeast("operator");
  const name = identifier("stop");
  const choice = (value, text, hint, checked) => h("label.check",
    h("input", { type: "radio", name, value, checked }),
    h("span", h("b", text), h("br"), h("span.quiet.small", hint)));
  const reason = h("input", { name: "reason", maxlength: 200, id: `${name}-reason`, placeholder: "Optional, kept in the log" });
  const done = await askForm("Stop trading?", [
    h("p", everybody ? "This stops trading for every account." : "This stops trading for your account."),
    h("fieldset.stack", h("legend.unseen", "How far"),
      choice("reducing", "No new trades", "Open positions stay, with their stops and targets.", true),
      choice("flatten", "No new trades, and close everything", "Every open position is closed at the market price.")),
    h("div.field", h("label", { for: `${name}-reason` }, "Reason"), reason),
  ], {
    yes: "Stop trading", danger: true,
    send: async (form) => {
      const flatten = new FormData(form).get(name) === "flatten";
      await call("POST", "/api/safety/killswitch", { body: { flatten, reason: reason.value } });
      return { flatten };
    },
  });
  if (!done) return;
  await readSafety();
  toast(done.flatten ? "Trading is stopped; open positions are being closed." : "Trading is stopped: no new trades.", {
    undo: ["Resume", resume],
  });
}

/** Asks once and trades on. */
export async function resume() {
  const agreed = await ask("Resume trading?", [
    "New signals are traded again.",
    "The day's loss limit starts from a fresh baseline.",
    "Nothing that was closed is opened again.",
  ], { yes: "Resume trading" });
  if (!agreed) return;
  try {
    const answer = await call("POST", "/api/safety/resume", { body: { reason: "" } });
    await readSafety();
    if (answer.kill_file) toast("The file KILL in the data directory still stops trading; remove it.", { level: "bad" });
    else toast("Trading goes on.");
  } catch (error) {
    failed(error, "Trading was not resumed");
  }
}
