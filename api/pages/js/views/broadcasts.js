// A text to the groups: written, looked at, sent once.

import { Wish } from "../api.js";
import { ask } from "../dialog.js";
import { fill, h, say } from "../dom.js";
import { labelled, sending } from "../forms.js";
import { card, head } from "../parts.js";
import { speak, toast } from "../toast.js";

const MOST = 3500;

/** The page. */
export function show() {
  const text = labelled(
    "Text", h("textarea", { required: true, maxlength: MOST, rows: 7, id: "broadcast-text" }),
    "Plain text, as you write it. It goes to the VIP and trial groups."
  );
  const left = h("p.quiet.small");
  const shown = h("div.markup.preview", { dir: "auto" });
  const preview = () => (text.input.value
    ? say(shown, text.input.value)
    : fill(shown, h("span.quiet", "What you write appears here as the groups will see it.")));
  preview();
  text.input.addEventListener("input", () => {
    say(left, `${MOST - text.input.value.length} characters left`);
    preview();
  });
  const wish = new Wish();
  const form = sending([text.element, left], "Send…", async () => {
    const words = text.input.value.trim();
    const agreed = await ask(
      "Send this to every group?", [words.length > 300 ? `${words.slice(0, 300)}…` : words, "It can't be taken back."],
      { yes: "Send it" }
    );
    if (!agreed) return;
    const answer = await wish.send("POST", "/api/admin/broadcast", { text: words });
    wish.body = null;
    text.input.value = "";
    say(left, "");
    preview();
    toast(`Queued for ${answer.chats} groups.`);
    speak("Broadcast queued");
  }, { fields: { text } });
  return [head("Broadcast"), h("div.grid", card("Write", form), card("As it will look", shown))];
}
