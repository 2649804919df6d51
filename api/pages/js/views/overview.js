// The overview: money, what is open now, what came in, whether every part works, and whether trading is stopped.

import { call } from "../api.js";
import { lineChart } from "../chart.js";
import { fill, h, keyed, say } from "../dom.js";
import * as format from "../format.js";
import { calmly, presentMoney, readMoney, whyOld } from "../live.js";
import { card, cell, empty, facts, head, loads, pill, segments, side, signed, table, trouble, when } from "../parts.js";
import { stops, who } from "../safety.js";
import { get, isAtLeast } from "../store.js";

/** The page. */
export function show(page) {
  return [
    head("Overview"),
    h("div.overview", h("div", money(page), latest(page)), h("div", open(page), state(page), processes(page))),
  ];
}

function money(page) {
  const figures = h("div.figures");
  const figure = (name, value, note) => h(
    "div.figure", h("span.quiet.small", name), h("span.figure-value", value), note ? h("span.quiet.small", note) : null
  );
  page.watch(["balance", "today", "dayStart", "positions"], (balance, today) => {
    const now = presentMoney();
    if (!now) return;
    const closed = today
      ? `${today.trades} ${today.trades === 1 ? "trade" : "trades"} closed${today.trades ? `, ${today.wins} won, ${format.money(today.net_pnl, { signed: true })}` : ""}`
      : null;
    const share = now.begun ? `, ${format.percent((now.change / now.begun) * 100)}` : "";
    fill(figures,
      figure("Equity", h("b", format.money(now.equity)), `${now.unit}, open positions included`),
      figure("Wallet", format.money(balance.wallet), `${now.unit}, after fees`),
      figure("Open profit and loss", signed(now.unrealised), `${now.unit}, before closing fees`),
      figure("Today", signed(now.change), [`${now.unit}${share}`, closed ? [h("br"), closed] : null]));
  });
  if (!get("balance")) fill(
    figures, loads("Your balance", () => call("GET", "/api/balance"), () => { readMoney(); return null; })
  );
  return card("Money", [figures, equity(page)]);
}

function equity(page) {
  const place = h("div.equity");
  let days = 7;
  const draw = () => fill(place, loads("Equity history", async () => {
    const since = new Date(Date.now() - days * 86_400_000).toISOString();
    return call("GET", "/api/equity", { query: { since }, signal: page.leaving.signal });
  }, (answer) => curve(page, [...answer.equity, { time: new Date().toISOString(), ...answer.now }])));
  draw();
  return h(
    "div.stack",
    h(
      "div.card-tools",
      segments(
        "Period", [[1, "24 h"], [7, "7 days"], [30, "30 days"], [365, "Year"]], days,
        (chosen) => { days = chosen; draw(); }
      )
    ),
    place
  );
}

function curve(page, rows) {
  const points = rows.map((each) => (
    { time: Math.floor(new Date(each.time).getTime() / 1000), value: Number(each.equity) }
  ));
  const rising = points.filter((point, index) => index === 0 || point.time > points[index - 1].time);
  if (rising.length < 2) return empty("No curve yet", "Equity is noted every few minutes; come back a little later.");
  const first = rising[0].value;
  const last = rising[rising.length - 1].value;
  const sentence = `Equity from ${format.money(first)} to ${format.money(last)}, ${format.percent(((last - first) / first) * 100)}.`;
  const place = h("div.chart.small-chart", { role: "img", "aria-label": sentence });
  lineChart(page, place, rising);
  return h("figure", place, h("figcaption.quiet.small", sentence));
}

function open(page) {
  const list = table(
    "Open positions",
    [
      { name: "Market" }, { name: "Price", num: true }, { name: "Stop", num: true }, { name: "Next target", num: true },
      { name: "Profit and loss, USDT", num: true },
    ]
  );
  const place = h("div");
  const draw = keyed(list.body, (each) => each.id, row);
  page.watch(["positions", "prices", "stale", "streaming", "reachable"], (positions) => {
    if (positions === null) return fill(place, h("p.waiting", "Reading your positions…"));
    if (!positions.length) {
      return fill(
        place, empty("Nothing is open", "A position opens when a signal of a source that you follow is traded.",
        h("a.button", { href: "#/signals" }, "Look at the signals")));
    }
    draw(positions);
    if (!list.element.isConnected) fill(place, list.element);
  });
  return card("Open positions", place, { flush: true, tools: [h("a", { href: "#/positions" }, "All")] });
}

function row(first) {
  const price = h("span");
  const old = h("span.pill", { "data-tone": "warn" });
  const stop = h("span");
  const target = h("span");
  const pnl = signed(null);
  const element = h("tr",
    cell(
      "",
      h(
        "span", h("a.strong", { href: `#/position/${encodeURIComponent(first.id)}` }, format.pair(first.symbol)), " ",
        side(first.side)
      ),
      { wide: true }
    ),
    cell("Price", [price, h("br"), old], { num: true }), cell("Stop", stop, { num: true }),
    cell("Next target", target, { num: true }),
    cell("Profit and loss, USDT", pnl, { num: true }));
  const update = (each) => {
    const why = whyOld(each.symbol);
    say(price, format.price(each.current_price));
    say(old, why ?? "");
    old.hidden = !why;
    say(stop, format.price(each.stop_loss));
    say(target, format.price(each.targets.find((step) => !step.hit_at)?.price));
    pnl.update(each.unrealised_pnl);
  };
  update(first);
  return { element, update };
}

function latest(page) {
  const place = loads("The latest signals",
    () => call("GET", "/api/signals", { query: { limit: 6 }, signal: page.leaving.signal }), (answer) => {
    if (!answer.signals.length) {
      return isAtLeast("analyst") ? empty(
        "No signal has come yet", "Connect a channel, or write a signal into the chat.",
        h("a.button", { href: "#/chat" }, "Open the chat")
      ) : empty("No signal has come yet", "Signals appear here as soon as one of the channels posts one.");
    }
    return h("ul.lines", answer.signals.map((each) => h("li",
      h("a.strong", { href: `#/signals/${each.id}` }, format.pair(each.symbol)), " ", side(each.side),
      h("span.line-end", each.r_multiple === null ? pill(each.status) : signed(each.r_multiple, format.multiple)),
      h("span.line-note.quiet.small", h("span.cut", { title: each.source }, each.source), when(each.received_at)))));
  });
  const again = calmly(() => page.closed || place.load());
  page.listen("signals", again, again);
  return card("Latest signals", place, { tools: [h("a", { href: "#/signals" }, "All")] });
}

function state(page) {
  const place = h("div");
  page.watch(["safety", "health"], (safety, health) => {
    const found = stops();
    const mode = { paper: "Paper: no real money moves", live: "Live: real money moves" }[health?.trading];
    const rows = [
      ["Mode", mode ?? format.words(health?.trading)],
      ["Prices", health ? format.words(health.prices) : format.NOTHING],
    ];
    for (const each of found) {
      rows.push([
        each.scope === "global" || each.scope === "file" ? "Everybody" : "You",
        h("span", pill(each.stage), " ", each.by ? `by ${who(each.by)}` : "", each.reason ? `: ${each.reason}` : ""),
      ]);
    }
    if (!found.length && safety) rows.push(["New trades", pill("allowed", "good")]);
    fill(place, safety || health ? facts(...rows) : h("p.waiting", "Reading the state…"));
  });
  return card("Trading", place);
}

function processes(page) {
  const list = h("ul.lines.process-list");
  const draw = keyed(list, ([name]) => name, (first) => {
    const word = h("span");
    const note = h("span.quiet.small.breaks");
    const element = h("li.process", h("span.strong", first[0]), h("span.process-state", word), note);
    const update = ([, each]) => {
      say(
        note,
        each.detail || (
          each.last_work_seconds_ago === null
            ? ""
            : `worked ${format.lasting(each.last_work_seconds_ago)} ago`
        )
      );
      fill(word, pill(each.state));
    };
    update(first);
    return { element, update };
  });
  const place = h("div");
  page.watch(["health", "reachable"], (health, reachable) => {
    if (!reachable) return fill(place, trouble({ kind: "unreachable" }, "Processes"));
    if (!health) return fill(place, h("p.waiting", "Asking for health…"));
    draw(Object.entries(health.processes));
    if (!list.isConnected) fill(place, list);
  });
  return card("Processes", place);
}
