// A market's chart with its candles, in lengths to choose from; the newest candle follows the price.

import { call } from "./api.js";
import { candleChart } from "./chart.js";
import { fill, h, say } from "./dom.js";
import * as format from "./format.js";
import { segments } from "./parts.js";
import { get } from "./store.js";

const FRAMES = [["1m", 60], ["5m", 300], ["15m", 900], ["1h", 3600], ["4h", 14_400], ["1d", 86_400]];

/**
 * The card with a market's chart over the life of something: `since` it began, `ended` (null while it lives), with its
 * `levels` and `marks` (see `candleChart`). `label` says in words what is seen.
 */
export function marketChart(page, { symbol, since, ended, levels, marks, label }) {
  const area = h("div.chart", { role: "img", "aria-label": label });
  const note = h("p.quiet.small");
  const live = h("span.strong");
  let inside = null;
  const draw = async (frame) => {
    inside?.close();
    const mine = (inside = innerPage(page));
    fill(area);
    const seconds = FRAMES.find(([name]) => name === frame)[1];
    const until = longAgo(ended, seconds);
    const candles = await past(symbol, frame, until, note, page);
    if (mine.closed || page.closed) return;
    say(live, "");
    await candleChart(mine, area, {
      candles, levels, marks, seconds, symbol: until ? null : symbol,
      onPrice: (data) => say(live, `${format.price(data.price)}${data.simulated ? " (simulated)" : ""}`),
    });
  };
  const start = fitting(since, ended);
  draw(start);
  return h("section.card", { "aria-label": "Chart" },
    h(
      "header", h("h3", "Chart"), live,
      h("div.tools", segments("Length of a candle", FRAMES.map(([name]) => [name, name]), start, draw))
    ),
    area, note);
}

/** The length of a candle at which a life fills a good part of the chart. */
function fitting(since, ended) {
  const seconds = ((ended ? new Date(ended) : new Date()) - new Date(since)) / 1000;
  return (FRAMES.find(([, length]) => seconds / length < 140) ?? FRAMES.at(-1))[0];
}

/** Until when the chart shows: some candles after an end that is long ago; null for up to now. */
function longAgo(ended, seconds) {
  if (!ended) return null;
  const until = new Date(ended).getTime() + 60 * seconds * 1000;
  return until < Date.now() ? new Date(until).toISOString() : null;
}

/** Candles that have closed; where the service has none, the chart grows from the live price and says so. */
async function past(symbol, frame, before, note, page) {
  say(note, "");
  try {
    const answer = await call(
      "GET", `/api/candles/${symbol}`,
      {
        query: {
          timeframe: frame, limit: 300, before, exchange: get("health")?.prices === "simulated" ? "simulated" : null,
        },
        signal: page.leaving.signal,
      }
    );
    if (answer.exchange === "simulated") say(note, "Candles of the simulated market.");
    return answer.candles.map(candle);
  } catch (error) {
    if (error.kind === undefined) throw error;
    const what = before
      ? "nothing can be drawn of that time."
      : "the chart grows from the live price since you opened it.";
    say(note, `There are no stored ${frame} candles of ${symbol}: ${what}`);
    return [];
  }
}

function candle({ time, open, high, low, close }) {
  return { time: Math.floor(new Date(time).getTime() / 1000), open, high, low, close };
}

/** A life inside the page's, for what is replaced while the page stays. */
export function innerPage(page) {
  const endings = [];
  const inner = {
    closed: false,
    onClose: (end) => (inner.closed ? end() : endings.push(end)),
    close: () => {
      if (inner.closed) return;
      inner.closed = true;
      for (const end of endings) end();
    },
  };
  page.onClose(inner.close);
  return inner;
}
