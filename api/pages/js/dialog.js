// Questions. The browser's own dialog keeps the focus inside, closes on Escape and gives the focus back.

import { fill, h, identifier } from "./dom.js";

function open(title, content, { label = null, box = "" } = {}) {
  const name = identifier("dialog");
  const element = h("dialog", { class: box || null, "aria-labelledby": name },
    h("div.inside", h("h2", { id: name, class: label }, title), content));
  document.body.append(element);
  element.addEventListener("close", () => element.remove());
  element.addEventListener("click", (event) => event.target === element && element.close());
  element.showModal();
  return element;
}

/** Asks once before something is done; says in `points` what will happen. Resolves to whether to go on. */
export function ask(title, points, { yes = "Do it", danger = false } = {}) {
  return new Promise((resolve) => {
    let agreed = false;
    const act = h(
      "button.button.main",
      { type: "button", class: danger ? "danger" : null, onclick: () => { agreed = true; element.close(); } }, yes
    );
    const cancel = h("button.button", { type: "button", autofocus: true, onclick: () => element.close() }, "Cancel");
    const said = points.length > 1 ? h("ul.points", points.map((point) => h("li", point))) : h("p", points);
    const element = open(title, [said, h("div.form-actions", cancel, act)]);
    element.addEventListener("close", () => resolve(agreed));
  });
}

/**
 * A form in a dialog. `body(close)` makes its content; `send(form)` may raise, which is shown and leaves the dialog open.
 * Resolves to what `send` returned, or null when it was left.
 */
export function askForm(title, content, { yes = "Save", danger = false, send }) {
  return new Promise((resolve) => {
    let result = null;
    const wrong = h("p.loss", { role: "alert" });
    const act = h("button.button.main", { type: "submit", class: danger ? "danger" : null }, yes);
    const form = h("form.stack", {
      novalidate: false,
      onsubmit: async (event) => {
        event.preventDefault();
        act.disabled = true;
        try {
          result = await send(form);
          element.close();
        } catch (error) {
          if (error.kind === undefined && !(error instanceof RangeError)) throw error;
          fill(wrong, error.message);
        } finally {
          act.disabled = false;
        }
      },
    }, content, wrong,
    h("div.form-actions", h("button.button", { type: "button", onclick: () => element.close() }, "Cancel"), act));
    const element = open(title, form);
    element.addEventListener("close", () => resolve(result));
  });
}

/** Shows something until it is closed. */
export function show(title, content, { box = "" } = {}) {
  const element = open(
    title,
    [content, h("div.form-actions", h("button.button", { type: "button", onclick: () => element.close() }, "Close"))],
    { box }
  );
  return element;
}
