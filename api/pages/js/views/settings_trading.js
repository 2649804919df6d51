// How signals are traded for you: every setting with its meaning and range, saved together, and undone on request.

import { call } from "../api.js";
import { fill, h, identifier } from "../dom.js";
import { labelled, sending } from "../forms.js";
import * as format from "../format.js";
import { card, loads } from "../parts.js";
import { failed, toast } from "../toast.js";

const ALL = "*"; // how the service writes "all"
const GROUPS = [
  ["Whether and whom", ["autotrade", "sources", "muted_sources", "allow_symbols", "deny_symbols", "opposite"]],
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

/** What each setting is called here; what has no name here is shown by its own. */
const NAMES = {
  autotrade: "Trade signals", sources: "Sources that are traded", muted_sources: "Sources that are not",
  allow_symbols: "Only these markets", deny_symbols: "Never these markets", opposite: "A signal against an open trade",
  sizing: "What the size means", size: "Size", leverage_cap: "Highest leverage, x",
  default_leverage: "Leverage if none is given, x", entry_shares: "Share of each entry, %",
  entry_window: "Entries wait for", max_slippage_percent: "Furthest past the entry, %", dca: "Averaging down (DCA)",
  cancel_entries_after_target: "Cancel entries after a target", require_stop: "Require a stop",
  default_stop_percent: "Stop if none is given, %", target_shares: "Share closed at each target, %",
  break_even_after: "Break-even after target no.", break_even_at_r: "Break-even at a profit of, R",
  break_even_offset_percent: "Break-even beyond the entry, %", follow_targets: "Stop follows, targets behind",
  trailing: "Trailing stop", time_exit: "Close after", max_daily_loss_percent: "Most loss in a day, %",
  max_losses_in_row: "Most losses in a row", max_trades_per_day: "Most trades in a day",
  max_open_positions: "Most open trades", max_position_value: "Highest value of a position, USDT",
  max_total_exposure_percent: "All positions, % of equity", max_symbol_exposure_percent: "One market, % of equity",
  cooldown: "Pause between trades",
};
const CHOICES = {
  risk_percent: "% of equity lost at the stop", equity_percent: "% of equity put in as margin",
  fixed: "fixed margin in USDT", close_older: "closes the older trade", skip: "is skipped",
  hedge: "is traded beside it",
};
const HINTS = {
  sizing: "How the number beside this is read.",
  dca: "Further entries beyond the last one, within the same budget: 1.5x1, 2x1.2 is 1.5 % further at the first entry's size, then 2 % further at 1.2 of it. Or off.",
  trailing: "A stop that follows the best price: percent:2 is 2 % behind it, atr:3 is three average ranges; percent:2:step=0.5:activate=3 moves in steps of 0.5 %, from a profit of 3 %. Or off.",
};

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
      `Saved: ${Object.keys(changed).map((name) => NAMES[name] ?? format.words(name)).join("; ")}. New trades follow it; open ones keep their plan.`,
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
  const label = NAMES[each.name] ?? format.words(each.name);
  const hint = HINTS[each.name] ?? each.meaning.replace(
    /\b[a-z]+(?:_[a-z]+)+\b/g, (name) => `“${NAMES[name] ?? format.words(name)}”`
  );
  if (each.type === "switch") {
    const id = identifier("switch");
    const input = h("input", { type: "checkbox", id, checked: each.value === "on" });
    const error = h("span.wrong", { hidden: true });
    const element = h(
      "div.field",
      h("label.check", { for: id }, input, h("span", h("b", label), h("br"), h("span.quiet.small", hint))),
      error
    );
    const wrong = (text) => { error.textContent = text ?? ""; error.hidden = !text; };
    return { element, input, wrong, value: () => (input.checked ? "on" : "off") };
  }
  if (each.type === "choice") {
    const select = h(
      "select",
      each.range.split(", ").map((value) => h("option", { value, selected: value === each.value }, CHOICES[value] ?? format.words(value)))
    );
    return { ...labelled(label, select, hint === each.meaning && CHOICES[each.value] ? "" : hint), value: () => select.value };
  }
  const input = h(
    "input",
    {
      value: each.value === ALL ? "all" : each.value, autocomplete: "off", spellcheck: "false",
      inputmode: each.type.includes("number") ? "decimal" : null,
    }
  );
  return {
    ...labelled(label, input, HINTS[each.name] ?? `${hint}: ${each.range}.`),
    value: () => (each.value === ALL && input.value.trim() === "all" ? ALL : input.value.trim()),
  };
}
