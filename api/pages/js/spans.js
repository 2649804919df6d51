// The parse over the original text: every field that was read is marked where it stood, with its name.

import { h } from "./dom.js";
import * as format from "./format.js";

const KINDS = {
  symbol: "symbol", side: "side", entries: "entry", targets: "target", stop_loss: "stop", leverage: "other",
};
const NAMES = {
  symbol: "market", side: "side", entries: "entry", targets: "target", stop_loss: "stop", leverage: "leverage",
};

/**
 * The text with its marks. The parser counts characters of the text, not halves of them as JavaScript does, so the text is
 * cut by code points. Spans that overlap one before are left out.
 */
export function marked(text, spans = []) {
  const letters = Array.from(text);
  const ordered = spans.filter((span) => span.start >= 0 && span.end <= letters.length && span.start < span.end)
    .sort((one, other) => one.start - other.start || other.end - one.end);
  const parts = [];
  let at = 0;
  for (const span of ordered) {
    if (span.start < at) continue;
    parts.push(letters.slice(at, span.start).join(""));
    const name = NAMES[span.field] ?? format.words(span.field).toLowerCase();
    parts.push(h("mark", { "data-field": KINDS[span.field] ?? "other", title: `Read as ${name}` },
      letters.slice(span.start, span.end).join(""), h("span.unseen", ` (${name})`)));
    at = span.end;
  }
  parts.push(letters.slice(at).join(""));
  return h("blockquote.message", { dir: "auto" }, parts);
}

/** What the colours of the marks mean; only the kinds that occur. */
export function legend(spans = []) {
  const names = [...new Set(spans.map((span) => span.field))];
  return h("ul.legend", { "aria-label": "What the marks mean" }, names.map((field) =>
    h(
      "li", h("span.swatch", { "data-field": KINDS[field] ?? "other", "aria-hidden": "true" }),
      NAMES[field] ?? format.words(field)
    )));
}
