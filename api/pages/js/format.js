// Numbers and times as people read them. Amounts come as decimal texts; only their display is rounded.

const MINUS = "\u2212";
export const NOTHING = "\u2013";

function known(value) {
  return value !== null && value !== undefined && value !== "" && Number.isFinite(Number(value));
}

function grouped(text) {
  const [whole, part] = text.split(".");
  const head = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return part === undefined ? head : `${head}.${part}`;
}

function fixed(value, places) {
  const number = Number(value);
  const text = grouped(Math.abs(number).toFixed(places));
  const nought = !/[1-9]/.test(text);
  return { text, sign: nought ? 0 : Math.sign(number) };
}

/** `12,345.60`; with `signed`, always a sign: `+12.00`, `−3.50`. */
export function money(value, { signed = false, places = 2 } = {}) {
  if (!known(value)) return NOTHING;
  const { text, sign } = fixed(value, places);
  if (sign < 0) return MINUS + text;
  return signed && sign > 0 ? `+${text}` : text;
}

/** A price with the digits that matter at its size, without trailing noughts beyond the second. */
export function price(value) {
  if (!known(value)) return NOTHING;
  const size = Math.abs(Number(value));
  const places = size >= 1000 ? 2 : size >= 1 ? 5 : 9;
  const text = Number(value).toFixed(places).replace(/(\.\d{2}\d*?)0+$/, "$1");
  return grouped(text).replace("-", MINUS);
}

/** A computed figure in about five digits: 41.774, 0.00012346, 3,219.9. */
export function figure(value) {
  if (!known(value)) return NOTHING;
  const number = Number(value);
  const text = Number.isInteger(number) ? String(number) : Number(number.toPrecision(5)).toString();
  return /e/.test(text) ? text : grouped(text).replace("-", MINUS);
}

/** A quantity as it is, grouped. */
export function quantity(value) {
  if (!known(value)) return NOTHING;
  return grouped(String(value)).replace("-", MINUS);
}

/** `+1.25 %` of a figure that is in percent already. */
export function percent(value, { signed = true, places = 2 } = {}) {
  return known(value) ? `${money(value, { signed, places })} %` : NOTHING;
}

/** `62 %` of a fraction. */
export function share(value, places = 0) {
  return known(value) ? `${money(Number(value) * 100, { places })} %` : NOTHING;
}

/** A multiple of the risk: `+1.50 R`. */
export function multiple(value) {
  return known(value) ? `${money(value, { signed: true })} R` : NOTHING;
}

/** The class that colours a figure; its sign is always written as well, and what is shown as nought has no colour. */
export function tone(value, places = 2) {
  const sign = known(value) ? fixed(value, places).sign : 0;
  return sign === 0 ? "" : sign > 0 ? "gain" : "loss";
}

/** `BTC` of `BTCUSDT`: what a quantity counts. */
export function coin(symbol) {
  return pair(symbol).split("/")[0];
}

/** `USDT` of `BTCUSDT`: what prices and results are counted in; empty where the symbol does not say. */
export function currency(symbol) {
  return pair(symbol).split("/")[1] ?? "";
}

/** `BTC/USDT` of `BTCUSDT`. */
export function pair(symbol) {
  const found = /^(.+)(USDT|USDC|USD|BTC|ETH|EUR)$/.exec(symbol ?? "");
  return found ? `${found[1]}/${found[2]}` : (symbol ?? NOTHING);
}

/** A word of the API for a person: `stop_before_entry` is `Stop before entry`. */
export function words(name) {
  if (!name) return NOTHING;
  const text = String(name).replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How long, in the largest two units: `3 h 12 min`. */
export function lasting(seconds) {
  if (!known(seconds)) return NOTHING;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The exact moment, in the reader's zone and in UTC. */
export function exact(at) {
  const moment = new Date(at);
  return `${EXACT.format(moment)} (${moment.toISOString().slice(0, 19).replace("T", " ")} UTC)`;
}

/** `12 s ago`, `in 3 min`. */
export function ago(at, now = Date.now()) {
  const seconds = (now - new Date(at).getTime()) / 1000;
  if (Math.abs(seconds) < 3) return "just now";
  const size = Math.abs(seconds);
  const text = size < 60 ? `${Math.round(size)} s` : size < 3600 ? `${Math.round(size / 60)} min`
    : size < 86_400 ? `${Math.round(size / 3600)} h` : `${Math.round(size / 86_400)} d`;
  return seconds >= 0 ? `${text} ago` : `in ${text}`;
}
