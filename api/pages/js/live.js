// Keeps the store in step with the service: health, safety, money, positions and prices.

import { call } from "./api.js";
import * as format from "./format.js";
import { get, put, watch } from "./store.js";
import { listen } from "./stream.js";
import { toast } from "./toast.js";

const HEALTH_MS = 5_000;
const MONEY_MS = 30_000;
const BLIND_MS = 1_500; // while nobody answers, it is asked often whether somebody is back
const SAFETY_MS = 15_000;
const CALM_MS = 300;
const SHOWN_MS = 250; // prices come ten times a second; an eye and a phone want fewer
const MOST_PRICES = 40;
//: A price that nobody renewed for this long is shown as old.
export const OLD_PRICE_MS = 60_000;

const absent = new Set();
let endings = [];

/** Starts to follow; every part is on its own: one that does not answer keeps no other. */
export function follow() {
  const health = ticking(readHealth, HEALTH_MS);
  const blind = setInterval(() => get("reachable") || document.hidden || health.now(), BLIND_MS);
  const money = ticking(readMoney, MONEY_MS);
  const safety = ticking(readSafety, SAFETY_MS); // a stop of one's own from elsewhere is not told by the stream
  const positions = calmly(readPositions);
  const balance = calmly(money.now);
  endings = [
    health.end, money.end, safety.end, () => clearInterval(blind),
    watch(["streaming"], () => get("streaming") || health.now()), // a broken line may mean that nobody answers at all
    listen("system", (data) => systemFact(data, health.now), health.now),
    listen("system:processes", health.now, health.now),
    listen("positions", (data) => { positions(); balance(); tell(data); }, readPositions),
    listen(
      "signals",
      (data) => data.event === "SignalReceived" && !/^#\/signals/.test(location.hash) && put({
        unseen: get("unseen") + 1
      })
    ),
    pricesOfPositions(),
    listen("positions:live", (data) => put({ positions: data.positions })),
  ];
  readPositions();
}

/** Stops. */
export function unfollow() {
  for (const end of endings) end();
  endings = [];
  put({
    health: null, safety: null, balance: null, today: null, dayStart: null, positions: null, prices: new Map(), stale: new Set(),
    unseen: 0,
  });
}

/** Follows the price of a symbol into the store; returns what ends it. */
export function followPrice(symbol, hear = () => {}) {
  return listen(`price:${symbol}`, (data) => {
    const prices = get("prices");
    prices.set(symbol, { price: data.price, at: Date.now(), simulated: data.simulated });
    get("stale").delete(symbol);
    shownSoon();
    hear(data);
  });
}

let showing = null;

/** Tells the watchers of prices, a few times a second at most. */
function shownSoon() {
  showing ??= setTimeout(() => {
    showing = null;
    put({ prices: get("prices") });
  }, SHOWN_MS);
}

/** Follows the price of every open position, so that an old one is known to be old. */
function pricesOfPositions() {
  const followed = new Map();
  const end = watch(["positions"], () => {
    const wanted = new Set((get("positions") ?? []).map((each) => each.symbol).slice(0, MOST_PRICES));
    for (const [symbol, leave] of followed) {
      if (wanted.has(symbol)) continue;
      leave();
      followed.delete(symbol);
    }
    for (const symbol of wanted) if (!followed.has(symbol)) followed.set(symbol, followPrice(symbol));
  });
  return () => {
    end();
    for (const leave of followed.values()) leave();
  };
}

/** What happened to a position of yours, in a sentence that goes away by itself. */
function tell(data) {
  const market = format.pair(
    data.symbol
      ?? (get("positions") ?? []).find((each) => each.id === data.position_id)?.symbol
  );
  const pnl = format.money(data.pnl, { signed: true });
  const said = {
    PositionOpened: `${market} ${data.side}: opened at ${format.price(data.price)}.`,
    TargetHit: `${market}: target ${data.number} of ${data.of} filled at ${format.price(data.price)}, ${pnl}.`,
    StopMoved: `${market}: stop now ${format.price(data.price)} (${format.words(data.reason).toLowerCase()}).`,
    PositionClosed: `${market}: closed at ${format.price(data.price)} (${format.words(data.reason).toLowerCase()}), ${pnl}.`,
  }[data.event];
  if (said) toast(said, { level: Number(data.pnl) > 0 ? "good" : "info" });
}

/** Why the price of a symbol can't be trusted at the moment, or null. */
export function whyOld(symbol) {
  if (!get("reachable") || !get("streaming")) return "not connected";
  if (get("health")?.prices === "stale") return "no prices";
  if (get("stale").has(symbol)) return "stale";
  const known = get("prices").get(symbol);
  if (known && Date.now() - known.at > OLD_PRICE_MS) return `${Math.round((Date.now() - known.at) / 1000)} s old`;
  return null;
}

/** Reads the state of the kill switch. */
export async function readSafety() {
  await quietly(async () => put({ safety: await call("GET", "/api/safety/status") }));
}

/** Reads the open positions. */
export async function readPositions() {
  await quietly(async () => {
    const answer = await call("GET", "/api/positions", { query: { status: "open", limit: 500 } });
    put({ positions: answer.positions });
  });
}

/** Reads balance and today's result; what is not served stays unknown. */
export async function readMoney() {
  await unlessAbsent("/api/balance", {}, (answer) => put({ balance: answer.balance ?? answer }));
  await unlessAbsent("/api/pnl", { period: "day" }, (answer) => put({ today: answer.pnl ?? answer }));
  await readDayStart();
}

/** Reads what the account was worth when the day (UTC) began, once a day; a younger account counts from its first figure. */
async function readDayStart() {
  const day = new Date().toISOString().slice(0, 10);
  if (get("dayStart")?.day === day) return;
  await unlessAbsent("/api/equity", { since: `${day}T00:00:00Z` }, (answer) => {
    const equity = answer.equity?.[0]?.equity ?? null;
    if (equity !== null) put({ dayStart: { day, equity: Number(equity) } });
  });
}

/**
 * What the account is worth at the prices that the open positions show, so that no two figures on a page disagree:
 * {equity, unrealised, change, unit}; `change` is since the day (UTC) began. A figure that is not known is null.
 */
export function presentMoney() {
  const balance = get("balance");
  if (!balance) return null;
  const mine = (get("positions") ?? []).filter((each) => each.account_id === balance.account_id);
  const followed = get("positions") !== null && mine.every((each) => each.unrealised_pnl !== null);
  const unrealised = followed
    ? mine.reduce((sum, each) => sum + Number(each.unrealised_pnl), 0)
    : Number(balance.unrealised ?? 0);
  const equity = Number(balance.wallet) + unrealised;
  const begun = get("dayStart")?.equity ?? null;
  return { equity, unrealised, change: begun === null ? null : equity - begun, begun, unit: balance.currency ?? "USDT" };
}

/** Reads a path, unless it once turned out that this service does not have it. */
async function unlessAbsent(path, query, take) {
  if (absent.has(path)) return;
  await quietly(async () => {
    try {
      take(await call("GET", path, { query }));
    } catch (error) {
      if (error.kind === "absent") absent.add(path);
      throw error;
    }
  });
}

async function readHealth() {
  try {
    put({ health: await call("GET", "/api/health") });
  } catch (error) {
    // A core that is down answers 503 with the same fields: somebody is there and says so.
    if (error.answer?.processes) put({ health: error.answer });
    else if (error.kind === undefined) throw error;
  }
}

function systemFact(data, again) {
  const stale = get("stale");
  if (data.event === "PricesStale") for (const symbol of data.symbols ?? []) stale.add(symbol);
  if (data.event === "PricesBack") for (const symbol of data.symbols ?? []) stale.delete(symbol);
  put({ stale });
  if (data.event === "SafetyChanged") readSafety();
  again();
}

/** A call that, however often it is made, reads at most a few times a second. */
export function calmly(read, ms = CALM_MS) {
  let due = null;
  return () => {
    due ??= setTimeout(() => {
      due = null;
      read();
    }, ms);
  };
}

/** Runs now and every so often, also when the page comes back to the front; never twice at once. */
function ticking(read, ms) {
  let running = false;
  const now = async () => {
    if (running) return;
    running = true;
    try {
      await read();
    } finally {
      running = false;
    }
  };
  const timer = setInterval(() => document.hidden || now(), ms);
  const seen = () => document.hidden || now();
  document.addEventListener("visibilitychange", seen);
  now();
  return { now, end: () => { clearInterval(timer); document.removeEventListener("visibilitychange", seen); } };
}

async function quietly(read) {
  try {
    await read();
  } catch (error) {
    if (error.kind === undefined && error.name !== "AbortError") throw error;
  }
}
