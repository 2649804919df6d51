// Charts, drawn by the installed chart library. Candles come from the API, the newest one from the live price.

import * as format from "./format.js";
import { followPrice } from "./live.js";
import { isDark } from "./theme.js";

const LIBRARY = "/assets/vendor/lightweight-charts.js";
const MOST_BARS = 150;
const LEAST_BARS = 50; // fewer candles than this are drawn as wide as if they were so many
const ROOM_BARS = 14; // on the right of the newest candle, for the names of the levels
const NEAR = 0.1; // levels within this part of the price are always in sight
let loading = null;

/** The chart library, loaded once. Raises when the service does not have it. */
function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.addEventListener("load", () => resolve(window.LightweightCharts));
    script.addEventListener("error", () => {
      loading = null;
      reject(new Error("The chart library could not be loaded."));
    });
    document.head.append(script);
  });
  return loading;
}

/** The colours of the present theme as the library wants them. */
function colours() {
  const dark = isDark();
  return dark
    ? {
      text: "#93a1af", line: "#1f2831", gain: "#41c994", loss: "#ff7a85", accent: "#62abf5", warn: "#f0b94a",
      soft: "rgba(98,171,245,0.18)",
    }
    : {
      text: "#566472", line: "#e6ebf0", gain: "#0c7a50", loss: "#bf2438", accent: "#0b63c5", warn: "#8a5a00",
      soft: "rgba(11,99,197,0.14)",
    };
}

function look(c) {
  return {
    layout: { background: { color: "transparent" }, textColor: c.text, fontSize: 12, attributionLogo: false },
    grid: { vertLines: { color: c.line }, horzLines: { color: c.line } },
    rightPriceScale: { borderColor: c.line },
    timeScale: { borderColor: c.line, timeVisible: true, secondsVisible: false },
    crosshair: { mode: 0 },
  };
}

/** A chart in `place` that fits it and changes with the theme; `style(colours)` colours its series anew. */
async function chart(page, place, options, build) {
  const lib = await library().catch((error) => {
    place.textContent = error.message;
    return null;
  });
  if (!lib || page.closed) return null;
  const made = lib.createChart(place, { ...look(colours()), ...options, autoSize: true });
  const style = build(made, lib);
  const restyle = () => {
    made.applyOptions(look(colours()));
    style(colours());
  };
  style(colours());
  addEventListener("themechange", restyle);
  page.onClose(() => {
    removeEventListener("themechange", restyle);
    made.remove();
  });
  return made;
}

const MONEY = { type: "custom", minMove: 0.01, formatter: (value) => format.money(value) };

/** One or two lines over time: `points` are {time (s), value}, rising. The first is filled, the second dashed. */
export async function lineChart(page, place, points, others = null) {
  const plain = {
    handleScroll: false, handleScale: false, rightPriceScale: { borderVisible: false },
    timeScale: { minBarSpacing: 0.01, timeVisible: true },
  };
  await chart(page, place, plain, (made) => {
    const series = made.addAreaSeries({ lineWidth: 2, priceLineVisible: false, lastValueVisible: false, priceFormat: MONEY });
    series.setData(points);
    const second = others ? made.addLineSeries(
      { lineWidth: 2, lineStyle: 2, priceLineVisible: false, lastValueVisible: false, priceFormat: MONEY }
    ) : null;
    second?.setData(others);
    made.timeScale().fitContent();
    return (c) => {
      series.applyOptions({ lineColor: c.accent, topColor: c.soft, bottomColor: "transparent" });
      second?.applyOptions({ color: c.warn });
    };
  });
}

/** The places after the point that show a price of this size. */
function precision(value) {
  return value >= 1000 ? 2 : value >= 10 ? 3 : value >= 0.1 ? 5 : 8;
}

/**
 * Candles with levels. `candles`: {time (s), open, high, low, close}; `levels`: {price, kind: entry|target|stop|exit, title,
 * done}; `marks`: {time (s), kind, text}. `seconds` is a candle's length. With `symbol` the newest candle follows the price.
 */
export async function candleChart(
  page, place, { candles, levels, marks = [], seconds, symbol = null, onPrice = () => {} }
) {
  const shown = candles.map(({ time, open, high, low, close }) => ({ time, open, high, low, close }));
  const lines = [];
  let series = null;
  const made = await chart(page, place, {}, (its) => {
    const size = Number(shown.at(-1)?.close ?? levels[0]?.price ?? 1);
    const places = precision(size);
    series = its.addCandlestickSeries({
      borderVisible: false, priceFormat: { type: "custom", minMove: 10 ** -places, formatter: (value) => format.money(value, { places }) },
    });
    series.applyOptions({ autoscaleInfoProvider: (original) => spanning(original(), levels) });
    series.setData(shown);
    return (c) => {
      series.applyOptions({ upColor: c.gain, wickUpColor: c.gain, downColor: c.loss, wickDownColor: c.loss });
      for (const line of lines.splice(0)) series.removePriceLine(line);
      for (const level of levels) lines.push(series.createPriceLine(lineOf(level, c)));
      series.setMarkers(marks.filter(
        (each) => shown.length && each.time >= shown[0].time
      ).map((each) => markOf(each, c, seconds)));
    };
  });
  if (!made) return;
  const bars = Math.min(Math.max(shown.length, LEAST_BARS), MOST_BARS);
  made.timeScale().setVisibleLogicalRange({ from: shown.length - bars, to: shown.length + ROOM_BARS });
  if (!symbol) return;
  page.onClose(followPrice(symbol, (data) => {
    const newest = grown(shown.at(-1), data, seconds);
    if (shown.at(-1)?.time === newest.time) shown[shown.length - 1] = newest;
    else shown.push(newest);
    series.update(newest);
    if (shown.length === 1) made.timeScale().setVisibleLogicalRange({ from: 1 - LEAST_BARS, to: 1 + ROOM_BARS });
    onPrice(data, shown.length);
  }));
}

/** The scale shows the levels near the candles; one that is far away would press them flat. */
function spanning(info, levels) {
  if (!info?.priceRange) return info;
  const { minValue, maxValue } = info.priceRange;
  const room = Math.max(maxValue - minValue, maxValue * 0.002);
  const middle = (minValue + maxValue) / 2;
  const near = levels.map((each) => Number(each.price)).filter((value) => Math.abs(value - middle) < Math.max(
    room * 8, middle * NEAR
  ));
  return { ...info, priceRange: { minValue: Math.min(minValue, ...near), maxValue: Math.max(maxValue, ...near) } };
}

function lineOf({ price, kind, title, done }, c) {
  const colour = { entry: c.warn, target: c.gain, stop: c.loss, exit: c.accent }[kind];
  return { price: Number(price), color: colour, lineWidth: 1, lineStyle: done ? 0 : 2, axisLabelVisible: true, title };
}

function markOf({ time, kind, text, long = true }, c, seconds) {
  const colour = { entry: c.warn, target: c.gain, stop: c.loss, exit: c.accent }[kind];
  const entry = kind === "entry";
  return {
    time: time - (time % seconds), color: colour, text, shape: entry ? (long ? "arrowUp" : "arrowDown") : "circle",
    position: entry === long ? "belowBar" : "aboveBar",
  };
}

/** The newest candle with one message of the live price in it, or the candle that this price begins. */
export function grown(candle, data, seconds) {
  const time = Math.floor((data.traded_at ?? Date.now()) / 1000 / seconds) * seconds;
  const [open, high, low, close] = [data.open, data.high, data.low, data.price].map(Number);
  if (!candle || time > candle.time) return { time, open, high, low, close };
  if (time < candle.time) return candle; // late news of a candle that is past
  return { ...candle, high: Math.max(candle.high, high), low: Math.min(candle.low, low), close };
}
