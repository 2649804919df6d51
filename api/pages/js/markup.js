// The small part of HTML that Telegram's messages use, as elements. Whatever is not one of these tags stays text; nothing
// is ever handed to the browser as HTML.

import { h } from "./dom.js";

const TAGS = new Set(["b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote"]);
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#x27": "'", "#39": "'", nbsp: "\u00a0" };
const PIECE = /<(\/?)([a-z]+)>|<a href="(https?:\/\/[^"<>\s]+)">|<\/a>|&(#?[a-z0-9]+);/gi;

/** The nodes of a message. Tags that were never closed end with the text; ends that were never begun are left out. */
export function rendered(text) {
  const root = h("div.markup", { dir: "auto" });
  const open = [root];
  let at = 0;
  const put = (words) => words && open[open.length - 1].append(words);
  for (const found of text.matchAll(PIECE)) {
    put(text.slice(at, found.index));
    at = found.index + found[0].length;
    const [whole, closing, tag, address, entity] = found;
    if (entity !== undefined) put(ENTITIES[entity.toLowerCase()] ?? whole);
    else if (address !== undefined) begin(
      open, h("a", { href: address, rel: "noopener noreferrer nofollow", target: "_blank" })
    );
    else if (whole.toLowerCase() === "</a>") end(open, "a");
    else if (!TAGS.has(tag.toLowerCase())) put(whole);
    else if (closing) end(open, tag.toLowerCase());
    else begin(open, h(tag.toLowerCase()));
  }
  put(text.slice(at));
  return root;
}

function begin(open, element) {
  open[open.length - 1].append(element);
  open.push(element);
}

function end(open, tag) {
  const place = open.findLastIndex((each, index) => index > 0 && each.localName === tag);
  if (place > 0) open.length = place;
}
