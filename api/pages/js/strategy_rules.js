// Rules by form: conditions, and groups of them nested as deep as the language allows. What the form has no control for is
// edited as it is written. Every part knows its place, so that a mistake the service names is shown where it is.

import { fill, h } from "./dom.js";
import { seriesPicker } from "./strategy_series.js";

const OPERATORS = {
  "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least", "==": "is", crosses_above: "crosses above",
  crosses_below: "crosses below",
};
const GROUPS = { all: "All of these hold", any: "Any of these holds", not: "This does not hold" };
const FIRST = { type: "rsi", operator: "<", value: 30 };

/** The editor of one rule. `value(place, places)` writes it in the language and notes each part's element by its place. */
export function ruleEditor(language, rule, name) {
  const place = h("div.rule-root");
  let inner = null;
  const draw = (now) => {
    inner = part(
      language, now, name, { remove: null, wrap: (group) => draw({ [group]: [inner.value("", new Map())] }) }
    );
    fill(place, inner.element);
  };
  draw(rule ?? FIRST);
  return { element: place, value: (at, places) => inner.value(at, places) };
}

function part(language, rule, name, acts) {
  const group = Object.keys(GROUPS).find((each) => each in rule);
  if (group && Object.keys(rule).length === 1) return groupPart(language, rule, group, name, acts);
  if (
    typeof rule.type === "string"
      && (("value" in rule) !== ("other" in rule))
  ) return conditionPart(language, rule, name, acts);
  return writtenPart(rule, name, acts);
}

function conditionPart(language, rule, name, acts) {
  const operator = h(
    "select.slim", { "aria-label": `${name}: comparison` },
    language.operators.map((each) => h("option", { value: each }, OPERATORS[each] ?? each))
  );
  operator.value = rule.operator ?? "<";
  const against = h(
    "select.slim", { "aria-label": `${name}: compared with` }, h("option", { value: "value" }, "a value"),
    h("option", { value: "other" }, "another series")
  );
  against.value = "other" in rule ? "other" : "value";
  const right = h("span.rule-settings");
  let compared = null;
  const left = seriesPicker(language, without(rule), name, () => drawRight(compared.value()));
  const drawRight = (given) => {
    compared = against.value === "other" ? otherSeries(
      language, given.other ?? { type: "price" }, name
    ) : constant(left, given.value, name);
    fill(right, compared.element);
  };
  against.addEventListener("change", () => drawRight({}));
  drawRight(rule);
  const element = h("div.rule", left.element, operator, against, right, controls(name, acts));
  const value = (at, places) => {
    places.set(at, element);
    return { ...left.value(), operator: operator.value, ...compared.value() };
  };
  return { element, value };
}

function without({ operator, value, other, ...series }) {
  return series;
}

function constant(left, given, name) {
  const words = Object.keys(wordsOf(left));
  if (words.length) {
    const select = h(
      "select.slim", { "aria-label": `${name}: value` }, words.map((each) => h("option", { value: each }, each))
    );
    select.value = words.includes(given) ? given : (words.find((each) => wordsOf(left)[each] === given) ?? words[0]);
    return { element: select, value: () => ({ value: select.value }) };
  }
  const input = h(
    "input.slim",
    {
      type: "number", step: "any", value: typeof given === "number" ? given : "", "aria-label": `${name}: value`,
      placeholder: "value",
    }
  );
  return { element: input, value: () => ({ value: input.value === "" ? null : Number(input.value) }) };
}

/** The words that stand for values of the series as it is chosen now, with their numbers. */
function wordsOf(left) {
  const kind = left.kind();
  if (!kind || (kind.family === "time" && left.chosen("field") !== "weekday")) return {};
  return [null, "event", kind.default_output].includes(left.chosen("output")) ? kind.words : {};
}

function otherSeries(language, given, name) {
  const picker = seriesPicker(language, given, `${name}, the other`);
  return { element: picker.element, value: () => ({ other: picker.value() }) };
}

function groupPart(language, rule, group, name, acts) {
  const choice = h(
    "select.slim", { "aria-label": `${name}: how they count` },
    Object.entries(GROUPS).map(([value, text]) => h("option", { value }, text))
  );
  choice.value = group;
  const list = h("ul.rule-list");
  const members = [];
  const add = (each) => {
    const holder = h("li");
    const made = part(language, each, `${name} ${members.length + 1}`, {
      remove: () => { members.splice(members.indexOf(slot), 1); holder.remove(); },
      wrap: (kind) => {
        const now = slot.made.value("", new Map());
        members.splice(members.indexOf(slot), 1);
        holder.remove();
        add({ [kind]: [now] });
      },
    });
    const slot = { made };
    members.push(slot);
    fill(holder, made.element);
    list.append(holder);
  };
  for (const each of group === "not" ? [rule.not] : rule[group]) add(each);
  const element = h("div.rule-group", h("div.rule-head", choice, controls(name, { ...acts, wrap: null })), list,
    h(
      "div.form-actions", h("button.button.slim", { type: "button", onclick: () => add(FIRST) }, "Add a condition"),
      h("button.button.slim.bare", { type: "button", onclick: () => add({ any: [FIRST] }) }, "Add a group")
    ));
  const value = (at, places) => {
    places.set(at, element);
    const kind = choice.value;
    if (kind === "not") {
      const inside = members.length === 1 ? members[0].made.value(join(at, "not"), places) : {
        any: members.map((each, index) => each.made.value(`${join(at, "not")}.any[${index}]`, places))
      };
      return { not: inside };
    }
    return { [kind]: members.map((each, index) => each.made.value(`${join(at, kind)}[${index}]`, places)) };
  };
  return { element, value };
}

function join(at, name) {
  return at ? `${at}.${name}` : name;
}

/** What the form has no control for, as it is written. Raises RangeError for what is no JSON object. */
function writtenPart(rule, name, acts) {
  const input = h("textarea.mono", { rows: 5, "aria-label": `${name}, as written`, spellcheck: "false" });
  input.value = JSON.stringify(rule, null, 2);
  const element = h(
    "div.rule", h("div.stack.grow", h("span.quiet.small", "Written in the language:"), input), controls(name, acts)
  );
  const value = (at, places) => {
    places.set(at, element);
    return readObject(input.value, name);
  };
  return { element, value };
}

/** The object in a text. Raises RangeError with a sentence for a person. */
export function readObject(text, name) {
  let found = null;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${name} is not JSON: ${error.message}`);
  }
  if (
    found === null
      || typeof found !== "object"
      || Array.isArray(found)
  ) throw new RangeError(`${name} must be a JSON object.`);
  return found;
}

function controls(name, { remove, wrap }) {
  return h("span.rule-acts",
    wrap ? h(
      "button.button.slim.bare",
      { type: "button", "aria-label": `Put ${name} into a group`, onclick: () => wrap("all") }, "Group"
    ) : null,
    remove ? h(
      "button.button.slim.bare", { type: "button", "aria-label": `Remove ${name}`, onclick: remove }, "Remove"
    ) : null);
}

/** Shows each mistake at the part it belongs to; returns those that belong to none. */
export function showMistakes(fields, places) {
  for (const element of new Set(places.values())) {
    element.classList.remove("wrong-part");
    element.querySelector(":scope > .wrong")?.remove();
  }
  const rest = [];
  for (const [place, text] of Object.entries(fields)) {
    const found = [...places.keys()].filter(
      (each) => each
        && (place === each || place.startsWith(`${each}.`) || place.startsWith(`${each}[`))
    ).sort((one, other) => other.length - one.length)[0];
    if (!found) {
      rest.push([place, text]);
      continue;
    }
    const element = places.get(found);
    const said = text.length > 160 ? `${text.slice(0, 160)}…` : text;
    const note = element.querySelector(":scope > .wrong") ?? element.appendChild(h("p.wrong"));
    note.append(`${place.slice(found.length).replace(/^\./, "") || "This"} ${said}. `);
    element.classList.add("wrong-part");
  }
  return rest;
}
