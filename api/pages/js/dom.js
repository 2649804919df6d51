// Elements from JavaScript. Text only ever becomes text nodes: nothing that came from outside is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: `h("div.card", {onclick, hidden: true}, "text", child)`.
 * A function under an `on…` name listens; true sets an attribute bare; null and false leave it out.
 */
export function h(what, attributes, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  const plain = attributes !== null && attributes !== undefined && (
    typeof attributes !== "object"
      || attributes instanceof Node
      || Array.isArray(attributes)
  );
  if (plain) children.unshift(attributes);
  else set(element, attributes ?? {});
  add(element, children);
  return element;
}

/** Sets attributes and listeners of an element. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = [element.className, value].filter(Boolean).join(" ");
    else if (name === "value" && "value" in element) element.value = value ?? "";
    else if (name === "checked") element.checked = Boolean(value);
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces everything inside an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Sets a text only where it differs, so that a screen reader and a selection are left alone. */
export function say(element, text) {
  const words = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== words) element.textContent = words;
  return element;
}

/** A picture from the sprite; decoration only, whoever uses it names the control. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/assets/icons/sprite.svg#${name}`);
  svg.append(use);
  return svg;
}

/**
 * Keeps the children of `parent` in step with `items`: one element per key, moved rather than made anew, so that focus
 * and scrolling survive. `make(item)` returns `{element, update(item)}`.
 */
export function keyed(parent, key, make) {
  const known = new Map();
  return (items) => {
    const wanted = new Set(items.map(key));
    for (const [name, part] of known) {
      if (!wanted.has(name)) {
        part.element.remove();
        known.delete(name);
      }
    }
    let before = null;
    for (const item of items) {
      const name = key(item);
      let part = known.get(name);
      if (part) part.update(item);
      else known.set(name, (part = make(item)));
      const place = before ? before.nextSibling : parent.firstChild;
      if (part.element !== place) parent.insertBefore(part.element, place);
      before = part.element;
    }
  };
}

/** The parts of one thing on the page by name, for updating: `refs.price.textContent = …`. */
export function identifier(prefix = "x") {
  identifier.count = (identifier.count ?? 0) + 1;
  return `${prefix}-${identifier.count}`;
}
