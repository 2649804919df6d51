// Settings, in parts. Each part reads and saves on its own.

import { h } from "../dom.js";
import { card, facts, head, segments } from "../parts.js";
import { get } from "../store.js";
import { chooseTheme, theme } from "../theme.js";
import { accountPart } from "./settings_account.js";
import { exchangesPart } from "./settings_exchanges.js";
import { noticesPart } from "./settings_notices.js";
import { securityPart } from "./settings_security.js";
import { tradingPart } from "./settings_trading.js";

const PARTS = [
  ["trading", "Trading", tradingPart], ["account", "Account", accountPart], ["security", "Security", securityPart],
  ["notices", "Notices", noticesPart], ["exchanges", "Exchanges", exchangesPart],
  ["appearance", "Appearance", appearance],
];

/** The page; `part` is one of the parts. */
export function show(page, { part = "trading" }) {
  const found = PARTS.find(([name]) => name === part) ?? PARTS[0];
  const tabs = h("nav.tabs", { "aria-label": "Parts of the settings" }, PARTS.map(([name, text]) =>
    h("a", { href: `#/settings/${name}`, "aria-current": name === found[0] ? "page" : null }, text)));
  // On a phone the row is wider than the screen: the part that is shown must be seen as chosen. `scrollIntoView` would also
  // move the place from where the keyboard goes on.
  requestAnimationFrame(() => {
    const here = tabs.querySelector("[aria-current]");
    tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - here.offsetWidth) / 2;
  });
  return [head("Settings"), tabs, h("div.stack", found[2](page))];
}

function appearance() {
  const themes = segments(
    "Theme", [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]], theme(), chooseTheme
  );
  const health = get("health");
  return [
    card("Theme", [h("p.quiet", "Kept in this browser."), themes]),
    card(
      "As an app",
      h(
        "p",
        "Install this page from your browser's menu (on a phone: Add to home screen). It then opens on its own, and opens without a connection too, saying that the service can't be reached."
      )
    ),
    card("About", facts(["Version", health?.version ?? "unknown"], ["Prices", health?.prices ?? "unknown"],
      ["API", h("a", { href: "/api/docs" }, "The description for programs")],
      [
        "Charts",
        h(
          "span",
          h("a", { href: "https://www.tradingview.com/", rel: "noopener noreferrer", target: "_blank" }, "TradingView"),
          " Lightweight Charts™, © TradingView, Inc., Apache License 2.0"
        ),
      ])),
  ];
}
