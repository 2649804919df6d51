// Backtests: handing one in, its progress, what was tested before, and choosing two to compare.

import { call, Wish } from "../api.js";
import { fill, h, say } from "../dom.js";
import { choice, field, sending } from "../forms.js";
import * as format from "../format.js";
import { card, cell, empty, explain, head, loads, signed, table, when } from "../parts.js";
import { asked, go } from "../router.js";
import { speak, toast } from "../toast.js";
import { tabs } from "./strategies.js";

const LOOK_MS = 700;
const FRAMES = ["", "5m", "15m", "30m", "1h", "2h", "4h", "1d"];

/** The page. */
export function show(page) {
  const running = h("div.stack");
  const history = previous(page);
  const form = loads("The strategies", async () => {
    const [own, house] = await Promise.all([
      call("GET", "/api/strategies", { query: { limit: 100 }, signal: page.leaving.signal }),
      call("GET", "/api/strategies/builtin", { signal: page.leaving.signal }),
    ]);
    return { own: own.strategies, house: house.strategies };
  }, (found) => runForm(page, found, running, history));
  resume(page, running, history);
  return [
    head("Backtests"), tabs("backtests"),
    h("div.stack", card("Test a strategy on the past", form), running, card("Tested before", history, { flush: true })),
  ];
}

function runForm(page, { own, house }, running, history) {
  const given = asked();
  const wanted = given.get("strategy")
    ? `own:${given.get("strategy")}`
    : given.get("builtin")
    ? `house:${given.get("builtin")}`
    : (
    own[0]
      ? `own:${own[0].id}`
      : `house:${house[0].name}`
  );
  const strategy = choice(
    "Strategy",
    [
      ...own.map((each) => [`own:${each.id}`, each.name]),
      ...house.map((each) => [`house:${each.name}`, `${each.title} (built in)`])
    ],
    wanted
  );
  const symbol = field("Market", { value: own[0]?.symbols[0] ?? "BTCUSDT", autocomplete: "off", spellcheck: "false" });
  const frame = choice("Timeframe", FRAMES.map((each) => [each, each || "the strategy's own"]), "");
  const span = choice(
    "Span",
    [
      ["30", "the last 30 days"], ["90", "90 days"], ["365", "a year"], ["1095", "3 years"],
      ["between", "between two days"],
    ],
    "90"
  );
  const from = field("From", { type: "date", required: false });
  const to = field("To", { type: "date", required: false }, "Included.");
  const capital = field("Capital, USDT", { type: "number", min: 1, step: "any", value: 10000 });
  const fee = field("Fee a side, %", { type: "number", step: "any", value: 0.1 });
  const slippage = field(
    "Slippage, %", { type: "number", step: "any", min: 0, value: 0.05 },
    "How much worse than the price market orders fill."
  );
  const exchange = field(
    "Candles of", { required: false, placeholder: "any real exchange", autocomplete: "off", spellcheck: "false" },
    "An exchange, for example binance; or simulated, for the made-up market."
  );
  const parameters = h("div.setting-grid");
  const fields = { symbol, timeframe: frame, days: span, from, to, capital, fee, slippage, exchange };
  const once = new Wish();
  let values = () => ({});
  const fit = () => {
    from.element.hidden = to.element.hidden = span.input.value !== "between";
    const found = house.find((each) => strategy.input.value === `house:${each.name}`);
    const inputs = (found?.parameters ?? []).map((each) => [
      each,
      field(
        parameterName(each.name),
        { type: "number", min: each.low, max: each.high, step: each.whole ? 1 : "any", value: each.default },
        each.explains
      ),
    ]);
    fill(parameters, inputs.map(([, input]) => input.element));
    values = () => Object.fromEntries(inputs.filter(
      ([each, input]) => Number(input.input.value) !== each.default
    ).map(([each, input]) => [each.name, Number(input.input.value)]));
  };
  strategy.input.addEventListener("change", fit);
  span.input.addEventListener("change", fit);
  fit();
  const wish = () => {
    const [kind, name] = [
      strategy.input.value.split(":")[0], strategy.input.value.slice(strategy.input.value.indexOf(":") + 1),
    ];
    const body = {
      ...(kind === "own" ? { strategy_id: name } : { strategy: name, parameters: values() }),
      symbol: symbol.input.value.trim(), capital: Number(capital.input.value), fee: Number(fee.input.value) / 100,
      slippage: Number(slippage.input.value) / 100,
    };
    if (frame.input.value) body.timeframe = frame.input.value;
    if (exchange.input.value.trim()) body.exchange = exchange.input.value.trim().toLowerCase();
    if (span.input.value !== "between") return { ...body, days: Number(span.input.value) };
    return {
      ...body, ...(from.input.value ? { from: from.input.value } : {}),
      ...(to.input.value ? { to: to.input.value } : {})
    };
  };
  const made = sending(
    [
      h(
        "div.setting-grid",
        [strategy, symbol, frame, span, from, to, capital, fee, slippage, exchange].map((each) => each.element)
      ),
      parameters,
    ],
    "Run the backtest", async () => {
    const answer = await once.send("POST", "/api/backtest", wish()).catch(sayingWhatToDo);
    if (answer.job) return follow(page, answer.job, running, history, true);
    history.load();
    return go(`backtests/${answer.id}`);
  }, { fields });
  made.classList.add("wide-form");
  return made;
}

/** `stop_atr` is `Stop ATR`. */
function parameterName(name) {
  return format.words(name).replace(/\b(atr|rsi|ema|sma|macd|adx|r)\b/g, (word) => word.toUpperCase());
}

/** A title of the service with names of strategies as words: `Backtest of rsi mean reversion on BTCUSDT`. */
function titled(title) {
  const text = title.replace(/\b[a-z]+(?:_[a-z0-9]+)+\b/g, (name) => name.replaceAll("_", " "));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Missing candles are what most often keeps a test from running; says how to get them. */
function sayingWhatToDo(error) {
  if (error.status === 404 && /^No (data|candles)/i.test(error.message)) {
    error.message = `${error.message.replace(/[.]$/, "")}. Choose another market or span, or have candles brought in: cli.py candles download or import.`;
  }
  throw error;
}

/** Follows what still runs from an earlier visit. */
async function resume(page, running, history) {
  try {
    const { jobs } = await call("GET", "/api/backtest/jobs", { query: { limit: 20 }, signal: page.leaving.signal });
    for (const job of jobs.filter((each) => !each.finished_at)) follow(page, job, running, history, false);
  } catch (error) {
    if (error.kind === undefined && error.name !== "AbortError") throw error;
  }
}

/** Shows how far a test is until it ends; opens it then, if it was begun just now. */
function follow(page, first, running, history, open) {
  const bar = h("progress", { max: 1, value: first.progress ?? 0, "aria-label": `Progress of ${first.title}` });
  const stage = h("span.quiet.small");
  const path = `/api/backtest/jobs/${encodeURIComponent(first.id)}`;
  const cancel = h(
    "button.button.slim",
    {
      type: "button",
      onclick: () => call("POST", `${path}/cancel`, { body: {} }).then(
        () => look(), (error) => toast(explain(error), { level: "bad" })
      ),
    },
    "Cancel"
  );
  const element = h(
    "section.card", { "aria-label": `Running: ${first.title}` },
    h("header", h("h2", titled(first.title)), stage, h("div.tools", cancel)), bar
  );
  running.prepend(element);
  let timer = null;
  page.onClose(() => clearTimeout(timer));
  const look = async () => {
    clearTimeout(timer);
    try {
      const { job } = await call("GET", path, { signal: page.leaving.signal });
      bar.value = job.progress ?? 0;
      say(stage, `${format.words(job.status)}${job.stage ? `: ${job.stage}` : ""}, ${format.share(job.progress)}`);
      if (!job.finished_at) timer = setTimeout(look, LOOK_MS);
      else ended(job);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.kind === undefined) throw error;
      say(stage, explain(error));
      timer = setTimeout(look, LOOK_MS * 5);
    }
  };
  const ended = (job) => {
    element.remove();
    history.load();
    if (job.result_id) {
      speak(`${job.title} has ended`);
      if (open) go(`backtests/${job.result_id}`);
      else toast(`${job.title} has ended.`);
    } else toast(
      `${job.title}: ${job.error?.message ?? format.words(job.status).toLowerCase()}`,
      { level: job.status === "cancelled" ? "info" : "bad" }
    );
  };
  look();
}

function previous(page) {
  const chosen = new Set();
  const compare = h(
    "button.button",
    { type: "button", disabled: true, onclick: () => go(`backtests/${[...chosen].map(encodeURIComponent).join("/")}`) },
    "Compare the two chosen"
  );
  return loads("Your tests",
    () => call("GET", "/api/backtest/history", { query: { limit: 100 }, signal: page.leaving.signal }),
    ({ backtests }) => {
    chosen.clear();
    compare.disabled = true;
    if (!backtests.length) return empty(
      "Nothing was tested yet", "Choose a strategy and a market above. The newest hundred tests are kept."
    );
    const made = table(
      "Tests",
      [
        { name: "Compare", hidden: true }, { name: "Test" }, { name: "Span" }, { name: "Return", num: true },
        { name: "Deepest fall", num: true }, { name: "Trades", num: true }, { name: "Won", num: true },
        { name: "When" },
      ]
    );
    made.body.append(...backtests.map((each) => row(each, chosen, compare)));
    return [made.element, h("div.form-actions", compare)];
  });
}

function row(each, chosen, compare) {
  const box = h("input", { type: "checkbox", "aria-label": `Choose ${titled(each.title)} to compare`, onchange: () => {
    if (box.checked) chosen.add(each.id);
    else chosen.delete(each.id);
    compare.disabled = chosen.size !== 2;
  } });
  return h("tr",
    { "data-backtest": each.id }, each.kind === "backtest" ? cell("", box) : h("td"),
    cell(
      "",
      h(
        "span", h("a.strong.breaks", { href: `#/backtests/${encodeURIComponent(each.id)}` }, titled(each.title)),
        each.warnings ? h("span.warn.small", each.warnings === 1 ? " 1 warning" : ` ${each.warnings} warnings`) : null
      ),
      { wide: true }
    ),
    cell("Span", `${format.pair(each.symbol)} ${each.timeframe}, ${each.period}`),
    cell("Return", signed(each.return_pct, format.percent), { num: true }),
    cell("Deepest fall", format.percent(each.max_drawdown_pct, { signed: false }), { num: true }),
    cell("Trades", each.total_trades, { num: true }),
    cell("Won", format.percent(each.win_rate, { signed: false, places: 0 }), { num: true }),
    cell("When", when(each.created_at)));
}
