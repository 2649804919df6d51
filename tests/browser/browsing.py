"""A real browser before a real house: pages that watch for everything a page must not do.

Whatever a page logs as an error, throws, or tries against the policy of its own page is collected, and fails the test that
asks `page_is_clean`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PATIENCE_MS = 15_000
#: Reports what the page's policy forbade: the console alone does not always name it.
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """One person's browser window; `complaints` is everything that went wrong in it."""

    def __init__(self, browser: Browser, address: str, shots: Path, **device: Any) -> None:
        options = {"color_scheme": "dark", "service_workers": "block", **DESK, **device}
        self.context = browser.new_context(base_url=address, **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(_REPORT_VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self._shots = shots
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def sign_in(self, token: str) -> None:
        """With an access token, as a person would."""
        self.page.goto("/")
        self.page.get_by_text("Use an access token").click()
        self.page.get_by_label("Access token").fill(token)
        self.page.get_by_role("button", name="Use this token").click()
        self.page.get_by_role("heading", name="Overview", level=1).wait_for()

    def go(self, name: str, heading: str) -> None:
        """To another page, once its heading is there."""
        self.page.goto(f"/#/{name}")
        self.page.get_by_role("heading", name=heading, level=1, exact=True).wait_for()

    def shot(self, name: str) -> Path:
        """A screenshot of what is seen."""
        path = self._shots / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def forgive(self, text: str) -> None:
        """Takes complaints that a test provoked out of the list."""
        self.complaints = [each for each in self.complaints if text not in each]

    def close(self) -> None:
        self.context.close()


def nameless_controls(page: Page) -> list[str]:
    """Controls on the page that a screen reader could not name, images without a word, ids that occur twice."""
    found: list[str] = json.loads(page.evaluate(_LOOK_FOR_NAMELESS))
    return found


def low_contrast(page: Page) -> list[str]:
    """Texts whose contrast with what is behind them is below 4.5 to 1 (3 to 1 where they are large)."""
    found: list[str] = json.loads(page.evaluate(_LOOK_FOR_CONTRAST))
    return found


def overflows(page: Page) -> list[str]:
    """What is wider than the window, or cut off by the part it lies in so that it must be scrolled sideways to be seen.

    A phone's own `innerWidth` grows with a page that is too wide, so the width asked for is what counts.
    """
    assert page.viewport_size is not None
    found: list[str] = json.loads(page.evaluate(_LOOK_FOR_OVERFLOW, page.viewport_size["width"]))
    return found


_LOOK_FOR_NAMELESS = """
(() => {
  const seen = (element) => element.getClientRects().length > 0;
  const text = (id) => document.getElementById(id)?.textContent.trim() ?? "";
  const name = (element) => (element.getAttribute("aria-labelledby")?.split(" ").map(text).join(" ").trim())
    || element.getAttribute("aria-label")?.trim()
    || (element.labels?.length ? [...element.labels].map((label) => label.textContent).join(" ").trim() : "")
    || (["A", "BUTTON", "SUMMARY"].includes(element.tagName) ? [...element.querySelectorAll("img")].map((each) => each.alt).join("") + element.textContent.trim() : "")
    || element.getAttribute("title") || "";
  const wrong = [];
  for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=button], dialog[open]")) {
    if (seen(element) && !name(element)) wrong.push(`no name: ${element.outerHTML.slice(0, 120)}`);
  }
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) wrong.push(`no alt: ${image.outerHTML.slice(0, 120)}`);
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index))) wrong.push(`id twice: ${id}`);
  if (document.querySelectorAll("h1").length !== 1) wrong.push(`${document.querySelectorAll("h1").length} main headings`);
  if (document.querySelectorAll("main").length !== 1) wrong.push("not one main");
  if (!document.documentElement.lang) wrong.push("no language");
  for (const table of document.querySelectorAll("table.list")) if (!table.caption) wrong.push("a table without a caption");
  return JSON.stringify(wrong);
})()
"""

_LOOK_FOR_OVERFLOW = """
(width) => {
  const wrong = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > width + 1) wrong.push(`the page is ${wide} wide, the window ${width}`);
  for (const element of document.querySelectorAll("main .table-wrap, main .card, main .chat-hints, nav.side")) {
    if (!element.getClientRects().length || element.scrollWidth <= element.clientWidth + 1) continue;
    wrong.push(`${element.className} ${element.getAttribute("aria-label") ?? ""}: ${element.scrollWidth} in ${element.clientWidth}`);
  }
  return JSON.stringify(wrong);
}
"""

_LOOK_FOR_CONTRAST = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const light = (colour) => colour.map((each) => each / 255).map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.unshift(rgba(getComputedStyle(each).backgroundColor));
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const wrong = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest("[disabled], [aria-hidden=true], .unseen, .skip, option")) continue;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const letters = over(rgba(style.color), ground);
    const [high, low] = [light(letters), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) wrong.push(`${ratio.toFixed(2)}: ${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 40)}`);
  }
  return JSON.stringify([...new Set(wrong)]);
})()
"""
