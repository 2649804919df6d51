// Building a strategy by form: markets, when to enter and leave, stop and targets, size. What the form has no field for stays
// in the document as it is written, and the whole document can be written by hand as well.

import { call } from "../api.js";
import { fill, h, identifier } from "../dom.js";
import { check, choice, field, labelled } from "../forms.js";
import * as format from "../format.js";
import { card, explain, head, loads } from "../parts.js";
import { asked, go } from "../router.js";
import { readObject, ruleEditor, showMistakes } from "../strategy_rules.js";
import { toast } from "../toast.js";

const BY_FORM = [
  "name", "description", "symbols", "timeframe", "action", "entry", "exit", "opposite", "position_size",
  "stop_loss_pct", "stop_loss_atr", "take_profit_pct", "targets", "trailing", "break_even_after", "time_exit_bars",
  "leverage",
];
const SIZES = {
  risk_percent: "% of equity lost at the stop", equity_percent: "% of equity put in", quote: "USDT put in",
  atr_risk: "% of equity per average range",
};
const BLANK = {
  name: "", symbols: ["BTCUSDT"], timeframe: "1h", action: "BUY",
  entry: { all: [{ type: "rsi", operator: "crosses_above", value: 30 }] }, stop_loss_pct: 3, take_profit_pct: 6,
  position_size: { mode: "risk_percent", value: 1 },
};

/** The page; `id` is `new` or a strategy's. */
export function show(page, { id }) {
  const fresh = id === "new";
  const place = loads("The strategy", async () => {
    const [{ language }, document] = await Promise.all([
      call("GET", "/api/strategies/language", { signal: page.leaving.signal }), fresh ? begun() : kept(id),
    ]);
    return { language, document };
  }, ({ language, document }) => new Editor(language, document, fresh ? null : id).element);
  return [
    head(fresh ? "New strategy" : "Strategy", h("a.button.bare", { href: "#/strategies" }, "All strategies")), place,
  ];
}

async function begun() {
  const from = asked().get("from");
  if (!from) return BLANK;
  const { strategies } = await call("GET", "/api/strategies/builtin");
  const found = strategies.find((each) => each.name === from);
  return found ? { symbols: ["BTCUSDT"], ...found.document } : BLANK;
}

async function kept(id) {
  const { strategy } = await call("GET", `/api/strategies/${encodeURIComponent(id)}`);
  return strategy.long_form ?? strategy.document;
}

/** The form over one document; `read()` is the document as it stands in the form. */
export class Editor {
  constructor(language, document, id) {
    this.language = language;
    this.id = id;
    this.place = h("div.stack");
    this.said = h("div", { role: "alert" });
    this.byHand = false;
    const way = h("button.button.bare", { type: "button", onclick: () => this.otherWay(way) }, "Write it by hand");
    const save = h("button.button.main", { type: "submit" }, id ? "Save the changes" : "Save the strategy");
    this.element = h("form.stack.wide-form",
      { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.save(save); } }, this.place, this.said,
      h(
        "div.form-actions", save, h("button.button", { type: "button", onclick: () => this.check() }, "Check it"), way
      ));
    this.draw(document);
  }

  draw(document) {
    this.rest = Object.fromEntries(Object.entries(document).filter(([name]) => !BY_FORM.includes(name)));
    fill(this.place, this.byHand ? this.written(document) : this.form(document));
  }

  written(document) {
    const input = labelled(
      "The document", h("textarea.mono", { rows: 24, spellcheck: "false" }), "In the language of docs/strategies.md."
    );
    input.input.value = JSON.stringify(document, null, 2);
    this.read = () => readObject(input.input.value, "The document");
    return card("By hand", input.element);
  }

  form(document) {
    const { language } = this;
    const name = field("Name", { value: document.name ?? "", maxlength: 80 });
    const symbols = field(
      "Markets", { value: (document.symbols ?? []).join(", "), autocomplete: "off", spellcheck: "false" },
      "Symbols with commas."
    );
    const timeframe = choice(
      "Timeframe", language.timeframes.map((each) => [each, each]), document.timeframe ?? "1h",
      "It is decided at the close of each candle."
    );
    const action = choice("Direction", [["BUY", "▲ buys (LONG)"], ["SELL", "▼ sells (SHORT)"]], document.action ?? "BUY");
    const about = labelled("What it is for", h("textarea", { rows: 2, maxlength: 2000 }));
    about.input.value = document.description ?? "";
    const entry = ruleEditor(language, document.entry, "entry");
    const exit = optional(
      "exit", "Exit on conditions as well", document.exit, () => ruleEditor(language, document.exit, "exit")
    );
    const opposite = optional(
      "opposite", "Trade the other way round as well", document.opposite, () => this.opposite(document.opposite ?? {})
    );
    const stops = this.stops(document);
    this.read = () => {
      const places = (this.places = new Map(
        [
          ["name", name.element], ["symbols", symbols.element], ["timeframe", timeframe.element],
          ["action", action.element],
        ]
      ));
      stops.note(places);
      const found = {
        ...this.rest, name: name.input.value.trim(),
        symbols: symbols.input.value.split(/[,;\s]+/).filter(Boolean).map((each) => each.toUpperCase()),
        timeframe: timeframe.input.value, action: action.input.value, entry: entry.value("entry", places),
      };
      if (about.input.value.trim()) found.description = about.input.value.trim();
      return { ...found, ...exit.value(places), ...opposite.value(places), ...stops.value() };
    };
    const rest = Object.keys(this.rest);
    return [
      card(
        "What and where",
        [
          h("div.setting-grid", name.element, symbols.element, timeframe.element, action.element), h("br"),
          about.element,
        ]
      ),
      card("Enter when", entry.element), card("Exit", exit.element), card("Stop, targets and size", stops.element),
      card("The other way", opposite.element),
      rest.length ? h(
        "p.quiet.small",
        `Kept as written, without a field here: ${rest.map((each) => format.words(each).toLowerCase()).join(", ")}.`
      ) : null,
    ];
  }

  opposite(given) {
    const entry = ruleEditor(this.language, given.entry, "opposite entry");
    const exit = given.exit ? ruleEditor(this.language, given.exit, "opposite exit") : null;
    const { entry: _entry, exit: _exit, ...rest } = given;
    const element = h(
      "div.stack", h("h3", "Enter when"), entry.element, exit ? [h("h3", "Exit when"), exit.element] : null
    );
    return {
      element,
      value: (at, places) => ({
        ...rest, entry: entry.value(`${at}.entry`, places), ...(exit ? { exit: exit.value(`${at}.exit`, places) } : {})
      }),
    };
  }

  /** Stop, targets, what follows them, and the size. */
  stops(document) {
    const number = (label, value, hint = "") => field(
      label, { type: "number", step: "any", min: 0, value: value ?? "", required: false }, hint
    );
    const stopKind = document.stop_loss_atr !== undefined
      ? "stop_loss_atr"
      : document.stop_loss_pct !== undefined
      ? "stop_loss_pct"
      : "";
    const kind = choice(
      "Stop",
      [
        ["", document.stop_loss_at ? "at structure, as written" : "none"], ["stop_loss_pct", "in percent"],
        ["stop_loss_atr", "in average ranges (ATR)"],
      ],
      stopKind
    );
    const stop = number("Stop distance", document[stopKind]);
    const targets = field(
      "Targets",
      { value: (document.targets ?? []).map(writtenTarget).join(", "), required: false, autocomplete: "off" },
      "For example 2R 50%, 3R 50%; or 4% 100%. R is the distance to the stop."
    );
    const profit = number("Take profit, %", document.take_profit_pct);
    const trail = number("Trailing stop, %", document.trailing?.pct, "How far it follows the best price.");
    const even = number("Stop to the entry after target", document.break_even_after);
    const time = number("Exit after, candles", document.time_exit_bars);
    const leverage = number("Leverage", document.leverage);
    const held = typeof document.position_size === "number" ? { mode: "quote", value: document.position_size } : (
      document.position_size
        ?? { mode: "risk_percent", value: 1 }
    );
    const mode = choice(
      "Size", this.language.position_size_modes.map((each) => [each, SIZES[each] ?? format.words(each)]), held.mode
    );
    const size = number("How much", held.value);
    const all = {
      stop_loss_pct: stop, stop_loss_atr: stop, targets, take_profit_pct: profit, trailing: trail,
      break_even_after: even, time_exit_bars: time, leverage, position_size: size,
    };
    const fit = () => { stop.element.hidden = kind.input.value === ""; };
    kind.input.addEventListener("change", fit);
    fit();
    const asIs = JSON.stringify(document.targets ?? []);
    const value = () => {
      const found = { position_size: { mode: mode.input.value, value: Number(size.input.value) } };
      if (kind.input.value) found[kind.input.value] = Number(stop.input.value);
      for (const [name, input] of [
        ["take_profit_pct", profit], ["break_even_after", even], ["time_exit_bars", time], ["leverage", leverage],
      ]) if (input.input.value !== "") found[name] = Number(input.input.value);
      const text = targets.input.value.trim();
      if (text) found.targets = text === (
        document.targets
          ?? []
      ).map(writtenTarget).join(", ") ? JSON.parse(asIs) : readTargets(text);
      if (document.trailing && document.trailing.pct === undefined) found.trailing = document.trailing;
      else if (trail.input.value !== "") found.trailing = {
        ...(document.trailing ?? {}), pct: Number(trail.input.value),
      };
      return found;
    };
    const element = h(
      "div.setting-grid",
      [kind, stop, profit, targets, even, trail, time, mode, size, leverage].map((each) => each.element)
    );
    return {
      element, value, note: (places) => Object.entries(all).forEach(([name, each]) => places.set(name, each.element)),
    };
  }

  /** Reads the document and sends it; what is wrong is shown at its place. Whether it was taken. */
  async send(method, path, done) {
    fill(this.said);
    this.places = new Map();
    try {
      const document = this.read();
      showMistakes({}, this.places);
      return done(await call(method, path, { body: document }));
    } catch (error) {
      if (error.kind === undefined && !(error instanceof RangeError)) throw error;
      const rest = error.kind ? showMistakes(error.fields ?? {}, this.places) : [];
      const count = Object.keys(error.fields ?? {}).length;
      fill(
        this.said,
        h(
          "div.trouble",
          error.kind === undefined ? h("p", error.message) : count ? h(
            "p", h("b", count === 1 ? "One thing is not right yet." : `${count} things are not right yet.`),
            rest.map(([place, text]) => h("span.breaks", ` ${place}: ${text}.`))
          ) : h("p", explain(error))
        )
      );
      this.element.querySelector(".wrong-part")?.scrollIntoView({ block: "center" });
      return false;
    }
  }

  check() {
    return this.send(
      "POST", "/api/strategies/check",
      () => {
        fill(this.said, h("p.gain", { role: "status" }, "The strategy can be read. Nothing was kept yet."));
        return true;
      }
    );
  }

  async save(button) {
    button.disabled = true;
    await this.send(
      this.id ? "PUT" : "POST", this.id ? `/api/strategies/${encodeURIComponent(this.id)}` : "/api/strategies",
      ({ strategy }) => {
      toast(
        this.id
          ? `${strategy.name} is saved as version ${strategy.number}.`
          : `${strategy.name} is kept, switched off. Backtest it before you switch it on.`
      );
      go("strategies");
      return true;
    });
    button.disabled = false;
  }

  otherWay(button) {
    try {
      const document = this.read();
      this.byHand = !this.byHand;
      button.textContent = this.byHand ? "Back to the form" : "Write it by hand";
      this.draw(document);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      fill(this.said, h("div.trouble", h("p", error.message)));
    }
  }
}

/** A part that may be there or not; it is made when it is first wanted. */
function optional(name, label, given, make) {
  const place = h("div");
  const on = check(label, given !== undefined && given !== null, "", { id: identifier(name) });
  let made = null;
  const draw = () => {
    if (on.input.checked) made ??= make();
    fill(place, on.input.checked ? made.element : null);
  };
  on.input.addEventListener("change", draw);
  draw();
  return {
    element: h("div.stack", on.element, place),
    value: (places) => (on.input.checked ? { [name]: made.value(name, places) } : {}),
  };
}

/** A target as the form writes it: `2R 50%`, `4% 50%`, `1.5ATR 50%`. */
function writtenTarget(target) {
  const share = target.share === undefined ? "" : ` ${Math.round(target.share * 10_000) / 100}%`;
  if (target.r !== undefined) return `${target.r}R${share}`;
  if (target.atr !== undefined) return `${target.atr}ATR${share}`;
  return target.pct === undefined ? `at structure${share}` : `${target.pct}%${share}`;
}

/** The targets in the form's writing. Raises RangeError naming the one that can't be read. */
function readTargets(text) {
  return text.split(/[,;]+/).map((each) => {
    const found = /^\s*([\d.]+)\s*(R|%|ATR)\s*(?:([\d.]+)\s*%)?\s*$/i.exec(each);
    if (!found) throw new RangeError(`The target “${each.trim()}” can't be read; write it like 2R 50% or 4% 100%.`);
    const kind = { r: "r", "%": "pct", atr: "atr" }[found[2].toLowerCase()];
    return { [kind]: Number(found[1]), ...(found[3] ? { share: Number(found[3]) / 100 } : {}) };
  });
}
