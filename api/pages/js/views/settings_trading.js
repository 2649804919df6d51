// How signals are traded for you: every setting with its meaning and range, saved together, and undone on request.

import { call } from "../api.js";
import { fill, h, identifier } from "../dom.js";
import { labelled, sending } from "../forms.js";
import * as format from "../format.js";
import { card, loads } from "../parts.js";
import { failed, toast } from "../toast.js";

const GROUPS = [
  ["Whether and whom", ["autotrade", "sources", "allow_symbols", "deny_symbols", "opposite"]],
  ["Size and leverage", ["sizing", "size", "leverage_cap", "default_leverage"]],
  ["Entries", ["entry_shares", "entry_window", "max_slippage_percent", "dca", "cancel_entries_after_target"]],
  [
    "Stops and targets",
    [
      "require_stop", "default_stop_percent", "target_shares", "break_even_after", "break_even_at_r",
      "break_even_offset_percent", "follow_targets", "trailing", "time_exit",
    ],
  ],
  [
    "Limits",
    [
      "max_daily_loss_percent", "max_losses_in_row", "max_trades_per_day", "max_open_positions", "max_position_value",
      "max_total_exposure_percent", "max_symbol_exposure_percent", "cooldown",
    ],
  ],
];

/** The part. */
export function tradingPart(page) {
  const place = loads(
    "Your trade settings", () => call("GET", "/api/trade-settings", { signal: page.leaving.signal }),
    (answer) => form(answer, (next) => fill(place, form(next)))
  );
  return place;
}

function form(answer, again) {
  const known = new Map(answer.fields.map((each) => [each.name, each]));
  const fields = {};
  const grouped = new Set(GROUPS.flatMap(([, names]) => names));
  const rest = answer.fields.map((each) => each.name).filter((name) => !grouped.has(name));
  const groups = [...GROUPS, ["Other", rest]].filter(([, names]) => names.some((name) => known.has(name)));
  const content = groups.map(([
    title, names,
  ]) => card(title, h("div.setting-grid", names.filter((name) => known.has(name)).map((name) => {
    fields[name] = control(known.get(name));
    return fields[name].element;
  }))));
  const changes = () => Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, each.value()]).filter(
    ([name, value]) => value !== known.get(name).value
  ));
  const made = sending(content, "Save the settings", async () => {
    const changed = changes();
    if (!Object.keys(changed).length) return toast("Nothing was changed.");
    const before = Object.fromEntries(Object.keys(changed).map((name) => [name, known.get(name).value]));
    const next = await call("PATCH", "/api/trade-settings", { body: { settings: changed } });
    again(next);
    toast(
      `Saved: ${Object.keys(changed).map((name) => format.words(name).toLowerCase()).join(", ")}. New trades follow it; open ones keep their plan.`,
      {
      undo: ["Undo", async () => {
        try {
          again(await call("PATCH", "/api/trade-settings", { body: { settings: before } }));
          toast("The settings are as before.");
        } catch (error) {
          failed(error, "Not undone");
        }
      }],
    });
  }, { fields });
  made.classList.add("wide-form");
  return made;
}

function control(each) {
  const label = format.words(each.name);
  if (each.type === "switch") {
    const id = identifier("switch");
    const input = h("input", { type: "checkbox", id, checked: each.value === "on" });
    const error = h("span.wrong", { hidden: true });
    const element = h(
      "div.field",
      h("label.check", { for: id }, input, h("span", h("b", label), h("br"), h("span.quiet.small", each.meaning))),
      error
    );
    const wrong = (text) => { error.textContent = text ?? ""; error.hidden = !text; };
    return { element, input, wrong, value: () => (input.checked ? "on" : "off") };
  }
  if (each.type === "choice") {
    const select = h(
      "select",
      each.range.split(", ").map((value) => h("option", { value, selected: value === each.value }, format.words(value)))
    );
    return { ...labelled(label, select, each.meaning), value: () => select.value };
  }
  const input = h(
    "input",
    {
      value: each.value, autocomplete: "off", spellcheck: "false",
      inputmode: each.type.includes("number") ? "decimal" : null,
    }
  );
  return { ...labelled(label, input, `${each.meaning}: ${each.range}.`), value: () => input.value.trim() };
}
