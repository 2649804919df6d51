// Fields with their labels, hints and errors, and forms that send once and say what went wrong where it is.

import { fill, h, identifier, say } from "./dom.js";
import { explain } from "./parts.js";

/** A labelled field around a control; `wrong(text)` shows an error at it. */
export function labelled(label, control, hint = "") {
  const id = control.id || (control.id = identifier("field"));
  const error = h("span.wrong", { id: `${id}-wrong`, hidden: true });
  const note = hint ? h("span.hint", { id: `${id}-hint` }, hint) : null;
  control.setAttribute("aria-describedby", [note ? `${id}-hint` : "", `${id}-wrong`].join(" ").trim());
  const element = h("div.field", h("label", { for: id }, label), control, note, error);
  const wrong = (text) => {
    say(error, text ? sentence(label, text) : "");
    error.hidden = !text;
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  return { element, input: control, wrong };
}

/** What is wrong as a sentence: the service says "is wrong", which needs its subject. */
function sentence(label, text) {
  if (!/^[a-z]/.test(text)) return text;
  return `${label.replace(/,.*$/, "")} ${text}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** An input with its label. */
export function field(label, attributes = {}, hint = "") {
  return labelled(label, h("input", { required: true, ...attributes }), hint);
}

/** A choice among `options`: [value, text]. */
export function choice(label, options, chosen, hint = "", attributes = {}) {
  const select = h(
    "select", attributes, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))
  );
  return labelled(label, select, hint);
}

/** A switch. */
export function check(label, checked, hint = "", attributes = {}) {
  const input = h("input", { type: "checkbox", checked, ...attributes });
  const element = h("label.check", input, h("span", label, hint ? [h("br"), h("span.quiet.small", hint)] : null));
  return { element, input };
}

/**
 * A form. `send()` does what it is for and may raise; what is wrong with a field named in `fields` is shown there, the rest
 * above the button. Sends once at a time.
 */
export function sending(content, button, send, { fields = {}, danger = false, extra = null } = {}) {
  const wrong = h("p.loss", { role: "alert" });
  const act = h("button.button.main", { type: "submit", class: danger ? "danger" : null }, button);
  const form = h("form.form", {
    onsubmit: async (event) => {
      event.preventDefault();
      busy(act, true);
      fill(wrong);
      for (const each of Object.values(fields)) each.wrong(null);
      try {
        await send();
      } catch (error) {
        if (error.kind === undefined) throw error;
        shown(error, fields, wrong);
      } finally {
        busy(act, false);
      }
    },
  }, content, wrong, h("div.form-actions", act, extra));
  return form;
}

function busy(button, on) {
  button.disabled = on;
  if (on) button.setAttribute("aria-busy", "true");
  else button.removeAttribute("aria-busy");
}

function shown(error, fields, wrong) {
  const named = Object.entries(error.fields ?? {}).filter(([name]) => fields[name]);
  for (const [name, text] of named) fields[name].wrong(text);
  if (named.length) fields[named[0][0]].input.focus();
  if (named.length === Object.keys(error.fields ?? {}).length && named.length) return;
  const words = explain(error);
  fill(wrong, words.charAt(0).toUpperCase() + words.slice(1));
}

/** A secret that is shown once, with a button that copies it. */
export function once(label, secret, hint = "Shown this once. Keep it in a safe place.") {
  const id = identifier("secret");
  const copy = h("button.button", {
    type: "button", onclick: async () => {
      await navigator.clipboard?.writeText(secret).catch(() => null);
      say(copy, "Copied");
    },
  }, "Copy");
  return h("div.field",
    h("label", { for: id }, label), h("div.copy-row", h("input.mono", { id, readonly: true, value: secret }), copy),
    h("span.hint", hint));
}
