// What the whole page knows, in one place. Whoever shows a part of it watches the names it needs.

const state = {
  principal: null, // {user_id, role, email?, via} once somebody is signed in
  reachable: true, // whether the last request reached the API
  streaming: false, // whether the live stream is connected and signed in
  health: null, // what /api/health said last
  safety: null, // what /api/safety/status said last
  balance: null, // {equity, wallet, …} or null while it is not known
  today: null, // {net_pnl, trades, …}
  dayStart: null, // {day, equity}: what the account was worth when the day (UTC) began
  positions: null, // open positions, as the stream tells them
  prices: new Map(), // symbol -> {price, at (ms), simulated}
  stale: new Set(), // symbols whose prices stopped
  unseen: 0, // signals that came while another page was shown
};
const watchers = new Set();
let changed = new Set();

/** The present value of a name. */
export function get(name) {
  return state[name];
}

/** Changes values; watchers hear of all changes of one turn together. */
export function put(values) {
  for (const [name, value] of Object.entries(values)) {
    const mutable = value instanceof Map || value instanceof Set;
    if (state[name] === value && !mutable) continue;
    state[name] = value;
    if (!changed.size) queueMicrotask(tell);
    changed.add(name);
  }
}

function tell() {
  const names = changed;
  changed = new Set();
  for (const watcher of [...watchers]) {
    if (watcher.names.some((name) => names.has(name))) watcher.react();
  }
}

/** Calls `react` now and after every change of one of the names; returns what ends it. */
export function watch(names, react) {
  const watcher = { names, react };
  watchers.add(watcher);
  react();
  return () => watchers.delete(watcher);
}

const RANKS = { read_only: 0, subscriber: 1, analyst: 2, operator: 3, admin: 4, owner: 5 };

/** Whether the person signed in has at least this role. The server decides; this only chooses what is worth showing. */
export function isAtLeast(role) {
  return (RANKS[state.principal?.role] ?? -1) >= RANKS[role];
}
