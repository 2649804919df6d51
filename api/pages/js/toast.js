// Short messages that do not take the focus: what was done, what failed, and a way back where there is one.

import { h, icon } from "./dom.js";
import { explain } from "./parts.js";

const STAYS_MS = 7_000;

/** Shows a message. `undo` is `[label, act]`. Errors stay until they are closed. */
export function toast(text, { level = "good", undo = null } = {}) {
  const region = document.getElementById("toasts");
  const close = () => element.remove();
  const element = h("div.toast", { "data-level": level, role: level === "bad" ? "alert" : null },
    h("p", text),
    undo ? h("button.button.slim", { type: "button", onclick: () => { close(); undo[1](); } }, undo[0]) : null,
    h(
      "button.button.bare.slim", { type: "button", "aria-label": "Close this message", onclick: close }, icon("close")
    ));
  while (region.childElementCount > 3) region.firstElementChild.remove();
  region.append(element);
  if (level !== "bad") setTimeout(close, undo ? STAYS_MS * 2 : STAYS_MS);
  return close;
}

/** Shows why something did not happen. */
export function failed(error, what) {
  if (error.kind === undefined) throw error;
  toast(`${what}: ${explain(error)}`, { level: "bad" });
}

/** Tells a screen reader something that the eye sees anyway. */
export function speak(text) {
  document.getElementById("spoken").textContent = text;
}
