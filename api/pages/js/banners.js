// What is wrong with the service right now, worst first: nobody answers, the trader is down, prices are old, trading is
// stopped, the market is simulated. Each says what it means for money.

import { h, keyed, say } from "./dom.js";
import * as format from "./format.js";
import { isHalted, stops, who as whoStopped } from "./safety.js";
import { get, watch } from "./store.js";

const WORKING = new Set(["up", "waiting", "starting"]);
const NOT_CONNECTED_MS = 4_000;

/** Shows the banners in `place` and keeps them right; returns what ends it. */
export function bannersOf(place) {
  let offSince = null;
  const draw = keyed(place, (each) => each.id, make);
  const look = () => {
    offSince = get("streaming") ? null : (offSince ?? Date.now());
    draw(present(offSince));
  };
  const timer = setInterval(look, 2000);
  const end = watch(["reachable", "streaming", "health", "safety", "stale"], look);
  return () => { clearInterval(timer); end(); };
}

function make(item) {
  const title = h("b");
  const text = h("span");
  const element = h("div.banner", { "data-banner": item.id }, h("p", title, " ", text));
  const update = (each) => {
    element.dataset.level = each.level;
    say(title, each.title);
    say(text, each.text);
  };
  update(item);
  return { element, update };
}

function present(offSince) {
  if (!get("reachable")) {
    return [{ id: "api", level: "bad", title: "The API can't be reached.",
      text: "What you see may be old. Trading may well go on; this page can't tell. Trying again…" }];
  }
  const health = get("health");
  const found = [];
  if (offSince !== null && Date.now() - offSince > NOT_CONNECTED_MS) {
    found.push({
      id: "stream", level: "warn", title: "Live updates are interrupted.",
      text: "Figures on this page do not move. Connecting again…",
    });
  }
  if (health) found.push(...trader(health), ...prices(health));
  found.push(...stopped());
  return found;
}

function trader(health) {
  const down = Object.entries(health.processes ?? {}).filter(([, each]) => !WORKING.has(each.state));
  const core = down.find(([name]) => name === "executor");
  if (core) {
    const [, row] = core;
    const since = row.last_work_seconds_ago === null ? "" : ` for ${format.lasting(row.last_work_seconds_ago)}`;
    return [{ id: "trader", level: "bad", title: "The trader is down.",
      text: `The executor is ${row.state}${since}: nothing is opened, closed or cancelled until it is back. The API itself works.` }];
  }
  const others = down.filter(([name]) => name !== "prices");
  if (!others.length) return [];
  return [{ id: "processes", level: "warn", title: `${others.map(([name]) => name).join(", ")}: not working.`,
    text: "The other parts go on. See System for each process." }];
}

function prices(health) {
  const process = health.processes?.prices;
  if (process && !WORKING.has(process.state)) {
    return [{
      id: "prices", level: "bad", title: "No prices.",
      text: "The price process is down: stops and targets are not watched until it is back.",
    }];
  }
  if (health.prices === "stale") {
    return [{
      id: "prices", level: "warn", title: "Prices are stale.",
      text: "No new price has come for a while; figures that depend on prices are marked.",
    }];
  }
  const stale = [...get("stale")];
  const found = [];
  if (stale.length) found.push({
    id: "stale", level: "warn", title: "Some prices are stale:",
    text: `${stale.join(", ")}. Figures of these symbols are marked.`,
  });
  if (health.prices === "simulated") {
    found.push({
      id: "simulated", level: "info", title: "Simulated market.",
      text: "These prices are made up on this machine; no market made them.",
    });
  } else if (health.prices === "replay") {
    found.push({
      id: "simulated", level: "info", title: "Replayed market.", text: "These prices are from a recording.",
    });
  }
  return found;
}

function stopped() {
  const said = stops();
  if (!isHalted()) return [];
  if (!said.length) return [{
    id: "halted", level: "warn", title: "Trading is stopped.",
    text: get("safety")?.sentence || "No new trades are opened.",
  }];
  const worst = said.find((each) => each.stage === "flatten") ?? said[0];
  const closing = worst.stage === "flatten"
    ? "Everything is closed and nothing new is opened."
    : "No new trades; open positions keep their stops and targets.";
  const until = worst.until ? ` Until ${format.exact(worst.until)}.` : "";
  const who = worst.by ? ` By ${whoStopped(worst.by)}${worst.reason ? `: ${worst.reason}` : ""}.` : "";
  const whose = worst.scope === "global" || worst.scope === "file" ? "for everybody" : "for you";
  return [{
    id: "halted", level: "warn", title: `Trading is ${worst.stage === "paused" ? "paused" : "stopped"} ${whose}.`,
    text: closing + until + who,
  }];
}
