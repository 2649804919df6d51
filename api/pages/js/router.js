// Which page is shown: the part of the address after `#`. Each page is a module that is loaded when it is first asked for.

import { fill, h } from "./dom.js";
import { get, watch } from "./store.js";
import { listen } from "./stream.js";

let current = null;
let changed = () => {};
let patterns = [];

/** `pages`: [pattern, load] like ["signals/:id", () => import(…)]. `onChange(path)` marks the navigation. */
export function start(pages, onChange) {
  patterns = pages.map(([pattern, load]) => [pattern.split("/"), load]);
  changed = onChange;
  addEventListener("hashchange", route);
  route(null);
}

/** Stops routing and leaves the present page. */
export function stop() {
  removeEventListener("hashchange", route);
  current?.close();
  current = null;
}

/** The parts of the address. */
export function path() {
  return location.hash.replace(/^#\/?/, "").split("?")[0].split("/").filter(Boolean).map(decoded);
}

/** A part as it was meant; one that can't be decoded stays as it is, and leads nowhere. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What the address asks after its `?`. */
export function asked() {
  return new URLSearchParams(location.hash.split("?")[1] ?? "");
}

/** Goes to a page. */
export function go(address) {
  location.hash = `#/${address}`;
}

async function route(event) {
  const parts = path();
  const found = match(parts.length ? parts : ["overview"]);
  const main = document.getElementById("main");
  if (!main) return;
  current?.close();
  const page = (current = new Page());
  changed(parts.length ? parts : ["overview"]);
  if (!found) {
    fill(
      main, h("h1", { tabindex: "-1" }, "There is no such page"),
      h("p", h("a", { href: "#/overview" }, "Go to the overview"))
    );
    return;
  }
  try {
    const view = await found.load();
    if (page.closed) return;
    fill(main, await view.show(page, found.parameters));
  } catch (error) {
    if (page.closed) return;
    fill(main, h("h1", { tabindex: "-1" }, "This page could not be shown"),
      h(
        "p", "A part of it did not load. ",
        h("a", { href: location.hash, onclick: () => location.reload() }, "Load it again")
      ));
    throw error;
  }
  if (page.closed) return;
  const title = main.querySelector("h1");
  document.title = `${title?.textContent ?? "Dashboard"} · VerzekAutoTrader`;
  scrollTo(0, 0);
  if (event && title) title.focus({ preventScroll: true });
}

function match(parts) {
  for (const [pattern, load] of patterns) {
    if (pattern.length !== parts.length) continue;
    const parameters = {};
    const fits = pattern.every((piece, index) => {
      if (!piece.startsWith(":")) return piece === parts[index];
      parameters[piece.slice(1)] = parts[index];
      return true;
    });
    if (fits) return { load, parameters };
  }
  return null;
}

/** What lives as long as a page is shown; everything it started ends with it. */
class Page {
  constructor() {
    this.closed = false;
    this.endings = [];
    this.leaving = new AbortController();
  }

  /** Calls `react` now and when one of the names changes in the store. */
  watch(names, react) {
    this.onClose(watch(names, () => react(...names.map(get))));
  }

  /** Hears a topic of the stream. */
  listen(topic, hear, reset) {
    this.onClose(listen(topic, hear, reset));
  }

  /** Calls `act` every so often. */
  every(ms, act) {
    const timer = setInterval(act, ms);
    this.onClose(() => clearInterval(timer));
  }

  /** Notes what is to be ended. */
  onClose(end) {
    if (this.closed) end();
    else this.endings.push(end);
  }

  close() {
    this.closed = true;
    this.leaving.abort();
    for (const end of this.endings) end();
  }
}
