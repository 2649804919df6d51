// The service itself: every process, numbers, backups.

import { call } from "../api.js";
import { ask } from "../dialog.js";
import { fill, h, keyed, say } from "../dom.js";
import * as format from "../format.js";
import { card, cell, empty, facts, head, loads, pill, table, trouble, when } from "../parts.js";
import { isAtLeast } from "../store.js";
import { failed, toast } from "../toast.js";

const DOES = {
  api: "answers this page and programs", backtester: "runs backtests", broadcast: "posts to the groups, answers chats",
  executor: "places and follows orders", forwarder: "reads channels and the inbox folder",
  notifier: "sends mails, webhooks and pushes", orders: "moves stops that follow the price, time exits",
  prices: "brings in prices", targets: "judges signals by prices", trader: "decides strategies, scores signals",
};

/** The page. */
export function show(page) {
  return [
    head("System"),
    h(
      "div.stack", processes(page), h("div.grid", numbers(page), store(page)), isAtLeast("admin") ? backups(page) : null
    ),
  ];
}

function processes(page) {
  const list = table(
    "Processes",
    [{ name: "Process" }, { name: "State" }, { name: "Last work" }, { name: "Restarts", num: true }, { name: "It says" }]
  );
  const place = h("div");
  const draw = keyed(list.body, ([name]) => name, (first) => {
    const parts = { state: h("span"), last: h("span"), restarts: h("span"), detail: h("span.breaks") };
    const update = ([, each]) => {
      fill(parts.state, pill(each.state));
      say(
        parts.last,
        each.last_work_seconds_ago === null ? "not yet" : `${format.lasting(each.last_work_seconds_ago)} ago`
      );
      say(parts.restarts, each.restarts);
      say(parts.detail, each.detail || format.NOTHING);
    };
    update(first);
    return {
      element: h(
        "tr", cell("", h("span", h("b", first[0]), h("br"), h("span.quiet.small", DOES[first[0]] ?? "")), { wide: true }), cell("State", parts.state), cell("Last work", parts.last),
        cell("Restarts", parts.restarts, { num: true }), cell("It says", parts.detail, { wide: true })
      ),
      update,
    };
  });
  page.watch(["health", "reachable"], (health, reachable) => {
    if (!reachable) return fill(place, trouble({ kind: "unreachable" }, "Processes"));
    if (!health) return fill(place, h("p.empty", "Asking for health…"));
    draw(Object.entries(health.processes));
    if (!list.element.isConnected) fill(place, list.element);
  });
  return card("Processes", place, { flush: true });
}

function numbers(page) {
  const place = loads("The numbers",
    () => call("GET", "/api/admin/overview", { signal: page.leaving.signal }), (answer) => facts(
    ["Users", `${answer.users.total}, ${answer.users.new_this_week} new this week`],
    ["Accounts", `${answer.accounts.total}, ${answer.accounts.trading} trading`],
    ["Open positions", answer.trades.open_positions], ["Working orders", answer.trades.working_orders],
    ["Closed in a day", answer.trades.closed_last_day],
    ["Signals in a day", `${answer.signals.last_day}, ${answer.signals.open} running`],
    ["Alerts", answer.alerts.open ? h("a", { href: "#/audit" }, `${answer.alerts.open} to look at`) : "none"]));
  page.every(30_000, () => document.hidden || place.load());
  return card("Numbers", place);
}

function store(page) {
  const place = loads("Store and disk",
    () => call("GET", "/api/admin/health", { signal: page.leaving.signal }), ({ store: kept, disk }) => {
    const free = disk.free_bytes / disk.total_bytes;
    return facts(
      ["Store", h("span", pill(kept.ok ? "ok" : "down"), ` ${kept.engine}`)], ["Size", size(kept.bytes)],
      ["Write-ahead log", size(kept.wal_bytes)],
      [
        "Disk free",
        h("span", { class: free < 0.1 ? "warn" : null }, `${size(disk.free_bytes)} of ${size(disk.total_bytes)}`),
      ]);
  });
  page.every(30_000, () => document.hidden || place.load());
  return card("Store and disk", place);
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3)) : 0;
  return `${(bytes / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

function backups(page) {
  const place = loads("The backups",
    () => call("GET", "/api/backup/list", { signal: page.leaving.signal }), ({ backups: found }) => {
    if (!found.length) return empty(
      "No backup yet", "A backup is a consistent copy of the store, made while everything runs."
    );
    const list = table("Backups", [{ name: "Name" }, { name: "Made" }, { name: "Size", num: true }]);
    list.body.append(...found.map(
      (each) => h(
        "tr", cell("", h("code.breaks", each.name), { wide: true }),
        cell("Made", when(each.made_at ?? each.created_at)),
        cell("Size", size(each.bytes ?? each.size ?? 0), { num: true })
      )
    ));
    return [list.element, h("p.empty.small", "To restore one, stop the service and run cli.py restore.")];
  });
  const make = async () => {
    if (!(
      await ask("Make a backup now?", ["The store is copied while everything runs."], { yes: "Make a backup" })
    )) return;
    try {
      const { backup } = await call("POST", "/api/backup/create", { body: {}, key: crypto.randomUUID?.() });
      toast(`Backup ${backup.name} is made.`);
      place.load();
    } catch (error) {
      failed(error, "No backup");
    }
  };
  return card(
    "Backups", place,
    { flush: true, tools: [h("button.button.slim", { type: "button", onclick: make }, "Make a backup")] }
  );
}
