// Choosing a series: its type, its settings, which of its lines, seen on which timeframe and how many bars ago.

import { fill, h, identifier } from "./dom.js";
import * as format from "./format.js";

const FAMILIES = {
  price: "Price and volume", volume: "Price and volume", indicator: "Indicators", event: "Market structure",
  zone: "Market structure", state: "Market structure", time: "Time", pattern: "Patterns", detector: "Detectors",
  custom: "Your own",
};
const SHORT = new Set([
  "rsi", "macd", "ema", "sma", "wma", "adx", "atr", "cci", "mfi", "obv", "sar", "ppo", "roc", "bos", "choch", "fvg",
  "kama", "natr", "trix", "vwma", "dema", "tema",
]);

/** A series' type as a person reads it. */
export function seriesName(type) {
  return SHORT.has(type) ? type.toUpperCase() : format.words(type);
}

/**
 * The controls for a series. `element`; `value()` is the series as the language writes it; `kind()` what is known of its
 * type; `chosen(name)` one of its settings; `onchange` is called when another type, line or choice is made.
 */
export function seriesPicker(language, series, label, onchange = () => {}) {
  const kinds = new Map(language.series.map((each) => [each.type, each]));
  const settings = h("span.rule-settings");
  const type = h("select", { "aria-label": `${label}: series` }, options(language));
  let controls = [];
  const draw = (given) => {
    const kind = kinds.get(type.value);
    type.title = kind?.summary ?? "";
    controls = [...(kind?.settings ?? []).map((each) => setting(each, given[each.name], label, onchange))];
    if (kind?.family === "custom") controls.push(text("name", given.name ?? "", `${label}: name of your indicator`));
    if (kind?.outputs.length) controls.push(line(kind, given.output, label, onchange));
    fill(settings, controls.map((each) => each.element), view(given));
  };
  let seen = null;
  const view = (given) => {
    seen = {
      timeframe: frames(language, given.timeframe, label),
      shift: number("bars ago", given.shift ?? 0, { min: 0, max: 5000, step: 1, label: `${label}: bars ago` }),
      times: number("times", given.times ?? 1, { step: "any", label: `${label}: times` }),
    };
    const open = Boolean(given.timeframe || given.shift || (given.times !== undefined && given.times !== 1));
    return h(
      "details.rule-more", { open }, h("summary", "more"),
      h("span.rule-settings", seen.timeframe, seen.shift.element, seen.times.element)
    );
  };
  type.value = kinds.has(series.type) ? series.type : "price";
  type.addEventListener("change", () => { draw({}); onchange(); });
  draw(series);
  const value = () => {
    const found = { type: type.value };
    for (const each of controls) if (!each.isDefault()) found[each.name] = each.value();
    if (seen.timeframe.value) found.timeframe = seen.timeframe.value;
    if (Number(seen.shift.input.value)) found.shift = Number(seen.shift.input.value);
    if (Number(seen.times.input.value) !== 1) found.times = Number(seen.times.input.value);
    return found;
  };
  return {
    element: h("span.series", type, settings), value, kind: () => kinds.get(type.value),
    chosen: (name) => controls.find((each) => each.name === name)?.value() ?? null,
  };
}

function options(language) {
  const groups = new Map();
  for (const each of language.series) {
    const name = FAMILIES[each.family] ?? format.words(each.family);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(h("option", { value: each.type }, seriesName(each.type)));
  }
  const order = ["Price and volume", "Indicators", "Market structure"];
  const rank = ([name]) => (order.includes(name) ? order.indexOf(name) : order.length);
  return [...groups].sort((one, other) => rank(one) - rank(other)).map(([name, list]) => h(
    "optgroup", { label: name }, list
  ));
}

function setting(each, given, label, onchange) {
  const name = `${label}: ${format.words(each.name).toLowerCase()}`;
  if (each.options) {
    const select = h(
      "select.slim", { "aria-label": name, title: format.words(each.name), onchange },
      each.default === null ? h("option", { value: "" }, "choose…") : null,
      each.options.map((value) => h("option", { value }, value))
    );
    select.value = given ?? each.default ?? "";
    return {
      name: each.name, element: select, value: () => select.value,
      isDefault: () => each.default !== null && select.value === String(each.default),
    };
  }
  const made = number(
    format.words(each.name).toLowerCase(), given ?? each.default,
    { min: each.low, max: each.high, step: each.whole ? 1 : "any", label: name }
  );
  return {
    name: each.name, element: made.element, value: () => Number(made.input.value),
    isDefault: () => each.default !== null && Number(made.input.value) === each.default,
  };
}

function line(kind, given, label, onchange) {
  const select = h(
    "select.slim", { "aria-label": `${label}: line`, onchange },
    kind.default_output === null ? h("option", { value: "" }, "choose…") : null,
    kind.outputs.map((value) => h("option", { value }, value.replaceAll("_", " ")))
  );
  select.value = given ?? kind.default_output ?? "";
  return {
    name: "output", element: select, value: () => select.value,
    isDefault: () => kind.default_output !== null && select.value === kind.default_output,
  };
}

function text(name, given, label) {
  const input = h("input.slim", { value: given, "aria-label": label, placeholder: "name" });
  return { name, element: input, value: () => input.value.trim(), isDefault: () => false };
}

function frames(language, given, label) {
  const select = h(
    "select.slim", { "aria-label": `${label}: timeframe` }, h("option", { value: "" }, "own timeframe"),
    language.timeframes.map((each) => h("option", { value: each }, `on ${each}`))
  );
  select.value = given ?? "";
  return select;
}

function number(name, value, { min = null, max = null, step, label }) {
  const id = identifier("number");
  const input = h("input.slim", { type: "number", id, value, min, max, step, "aria-label": label });
  return { element: h("span.with-unit", input, h("span.quiet.small", { "aria-hidden": "true" }, name)), input };
}
