// The frame around every page: navigation, the bar with money and the kill switch, the sheet on a phone.

import { bannersOf } from "./banners.js";
import { show } from "./dialog.js";
import { fill, h, icon, say } from "./dom.js";
import * as format from "./format.js";
import { presentMoney } from "./live.js";
import { signed } from "./parts.js";
import { killButton } from "./safety.js";
import { get, isAtLeast, watch } from "./store.js";
import { toggleTheme } from "./theme.js";

const MAIN = [
  ["overview", "Overview"], ["signals", "Signals"], ["positions", "Positions"], ["orders", "Orders"],
  ["sources", "Sources"],
  ["strategies", "Strategies"], ["chat", "Chat"],
];
const STAFF = [["broadcasts", "Broadcast", "broadcast", "operator"], ["system", "System", "system", "operator"],
  ["users", "Users", "users", "admin"], ["audit", "Audit", "audit", "admin"]];
const ON_PHONE = ["overview", "signals", "positions", "chat"];

let endings = [];

/** Builds the frame into `place`; `leave` signs out. Returns `mark(parts)`, which marks the present page. */
export function frame(place, leave) {
  const side = h("nav.side", { "aria-label": "Pages" });
  const bottom = h("nav.bottom", { "aria-label": "Pages" });
  const banners = h("div.banners", { role: "status", "aria-label": "State of the service" });
  const main = h("main", { id: "main", tabindex: "-1" });
  fill(place, h("div.frame", side, h("div.column", bar(leave), banners, main)), bottom);
  let present = "overview";
  const draw = () => {
    fill(side, brand(), MAIN.map((each) => link(each, present)), staffLinks(present), preferences(present));
    fill(
      bottom, ON_PHONE.map((name) => link(MAIN.find(([each]) => each === name), present)), moreButton(present, leave)
    );
    counts();
  };
  const counts = () => {
    for (const element of document.querySelectorAll("[data-count]")) {
      const number = element.dataset.count === "signals" ? get("unseen") : (get("positions")?.length ?? 0);
      element.hidden = !number;
      say(element.querySelector("[aria-hidden]"), number > 99 ? "99+" : number);
      say(element.querySelector(".unseen"), element.dataset.count === "signals" ? `${number} new` : `${number} open`);
    }
  };
  endings = [watch(["principal"], draw), watch(["unseen", "positions"], counts), bannersOf(banners)];
  return (parts) => {
    present = parts[0];
    draw();
  };
}

/** Takes the frame down. */
export function unframe() {
  for (const end of endings) end();
  endings = [];
}

function brand() {
  return h("div.brand", h("img", { src: "/assets/icons/icon.svg", alt: "" }), h("span.label", "VerzekAutoTrader"));
}

function link([name, text, picture], present) {
  const here = present === name || (name === "strategies" && present === "backtests") ||
    (name === "positions" && present === "position");
  const counted = { signals: "signals", positions: "positions" }[name];
  return h("a", { href: `#/${name}`, "aria-current": here ? "page" : null },
    icon(picture ?? name), h("span.label", text),
    counted ? h(
      "span.count", { "data-count": counted, hidden: true }, h("span", { "aria-hidden": "true" }), h("span.unseen")
    ) : null);
}

function staffLinks(present) {
  const open = STAFF.filter(([, , , role]) => isAtLeast(role));
  return open.length ? [h("h2", "Operation"), open.map((each) => link(each, present))] : [];
}

function preferences(present) {
  return [h("h2", "You"), link(["settings", "Settings"], present), h("p.side-foot", "Charts by ",
    h("a", { href: "https://www.tradingview.com/", rel: "noopener noreferrer", target: "_blank" }, "TradingView"))];
}

function moreButton(present, leave) {
  const names = ["orders", "sources", "strategies", "backtests", "settings", "broadcasts", "system", "users", "audit"];
  const here = names.includes(present);
  return h("button", { type: "button", "aria-current": here ? "page" : null, onclick: () => sheet(present, leave) },
    icon("more"), h("span.label", "More"));
}

function sheet(present, leave) {
  const links = [
    ...MAIN.filter(([name]) => !ON_PHONE.includes(name)), ...STAFF.filter(([, , , role]) => isAtLeast(role)),
    ["settings", "Settings"],
  ];
  const element = show("More", h("div.sheet", links.map((each) => link(each, present)),
    h("button", { type: "button", onclick: () => toggleTheme() }, icon("theme"), "Switch light and dark"),
    h("button", { type: "button", onclick: () => { element.close(); leave(); } }, icon("out"), "Sign out")),
    { box: "sheet-box" });
  element.addEventListener("click", (event) => event.target.closest("a") && element.close());
}

function bar(leave) {
  const equity = h("b", format.NOTHING);
  const today = signed(null);
  const day = h("span.small", { title: "Change of the equity since 00:00 UTC" }, today, h("span.quiet", " today"));
  const unit = h("span.quiet.small.hide-narrow");
  const kill = killButton();
  const update = () => {
    const now = presentMoney();
    say(equity, format.money(now?.equity));
    say(unit, now?.unit ?? "");
    today.update(now?.change ?? null);
    day.hidden = (now?.change ?? null) === null;
  };
  endings.push(watch(["balance", "dayStart", "positions"], update), watch(["safety", "health"], () => kill.update()));
  return h("header.bar",
    h("a.mark", { href: "#/overview", "aria-label": "Overview" }, h("img", { src: "/assets/icons/icon.svg", alt: "" })),
    h(
      "div.bar-equity", h("span.quiet.small.hide-narrow", "Equity"), h("span", equity, " ", unit),
      day
    ),
    h("div.bar-state", kill,
      h(
        "button.button.bare.square.hide-narrow",
        { type: "button", "aria-label": "Switch light and dark", title: "Switch light and dark", onclick: toggleTheme },
        icon("theme")
      ),
      h(
        "button.button.bare.square.hide-narrow",
        { type: "button", "aria-label": "Sign out", title: "Sign out", onclick: leave }, icon("out")
      )));
}
