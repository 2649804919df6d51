// The live stream: one connection, any number of listeners, resumed where it broke off. See docs/stream.md.

import { renewed, token } from "./api.js";
import { get, put, watch } from "./store.js";

const SHORTEST_MS = 400;
const LONGEST_MS = 15_000;
const PING_MS = 15_000;
const SILENT_MS = 40_000;
const STATES = /^(price:|positions:live$)/;

const listeners = new Map(); // topic -> Set of {hear, reset}
const last = new Map(); // topic -> the newest number heard
const latest = new Map(); // topic of a state -> its newest message
let socket = null;
let ready = false;
let wanted = false;
let failures = 0;
let heardAt = 0;
let pinging = null;
let retry = null;
let onWelcome = () => {};

/** Connects and stays connected until `end()`. `welcome(data)` hears who the server says we are. */
export function begin(welcome) {
  onWelcome = welcome;
  wanted = true;
  connect();
}

/** Hangs up and forgets what was heard. */
export function end() {
  wanted = false;
  clearTimeout(retry);
  last.clear();
  latest.clear();
  socket?.close();
}

/**
 * Hears a topic: `hear(data, message)` for each message, `reset()` when something was missed that can't be told again.
 * Returns what ends it.
 */
export function listen(topic, hear, reset = () => {}) {
  const listener = { hear, reset };
  if (!listeners.has(topic)) {
    listeners.set(topic, new Set());
    if (ready) ask({ action: "subscribe", topics: [topic] });
  }
  listeners.get(topic).add(listener);
  const known = latest.get(topic); // whoever comes later hears of a state at once, as the first one did
  if (known) queueMicrotask(() => listeners.get(topic)?.has(listener) && hear(known.data, known));
  return () => {
    const set = listeners.get(topic);
    if (!set?.delete(listener) || set.size) return;
    listeners.delete(topic);
    last.delete(topic);
    latest.delete(topic);
    if (ready) ask({ action: "unsubscribe", topics: [topic] });
  };
}

function ask(message) {
  socket.send(JSON.stringify(message));
}

function connect() {
  clearTimeout(retry);
  if (!wanted || token() === null) return;
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/ws`);
  socket = mine;
  heardAt = Date.now();
  mine.addEventListener("open", () => ask({ action: "auth", token: token() }));
  mine.addEventListener("message", (event) => mine === socket && hear(JSON.parse(event.data)));
  mine.addEventListener("close", (event) => mine === socket && closed(event.code));
  clearInterval(pinging);
  pinging = setInterval(() => look(mine), PING_MS);
}

function look(mine) {
  if (mine !== socket) return;
  if (Date.now() - heardAt > SILENT_MS) mine.close();
  else if (ready) ask({ action: "ping" });
}

function closed(code) {
  ready = false;
  clearInterval(pinging);
  put({ streaming: false });
  if (!wanted) return;
  failures += 1;
  const wait = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** Math.min(failures, 6));
  const again = async () => {
    if (code === 1008) await renewed().catch(() => false); // the sign-in may simply have run out
    connect();
  };
  retry = setTimeout(again, wait / 2 + Math.random() * wait / 2);
}

function hear(message) {
  heardAt = Date.now();
  if (message.topic) {
    tell(message);
  } else if (message.type === "authenticated") {
    welcomed(message.data);
  } else if (message.type === "subscribed") {
    for (const [topic, seq] of Object.entries(message.data.seq ?? {})) if (!last.has(topic)) last.set(topic, seq);
  } else if (message.type === "error" && message.data.code === "not_signed_in" && !ready) {
    socket.close();
  }
}

function welcomed(data) {
  ready = true;
  failures = 0;
  put({ streaming: true });
  onWelcome(data);
  const fresh = [];
  for (const topic of listeners.keys()) {
    if (last.has(topic) && !STATES.test(topic)) ask({ action: "resume", topic, after: last.get(topic) });
    else fresh.push(topic);
  }
  for (let start = 0; start < fresh.length; start += 60) ask({
    action: "subscribe", topics: fresh.slice(start, start + 60),
  });
}

function tell(message) {
  last.set(message.topic, message.seq);
  if (STATES.test(message.topic) && listeners.has(message.topic)) latest.set(message.topic, message);
  for (const listener of listeners.get(message.topic) ?? []) {
    if (message.type === "reset") listener.reset();
    else listener.hear(message.data, message);
  }
}

/** Tries at once when there is reason to think that somebody answers again, instead of waiting for the next turn. */
function comeBack() {
  if (!wanted || ready || socket?.readyState === WebSocket.CONNECTING) return;
  failures = 0;
  connect();
}

addEventListener("online", comeBack);
let reached = true;
watch(["reachable"], () => {
  if (get("reachable") && !reached) comeBack();
  reached = get("reachable");
});
