// Opening a trade by hand: what it would be is said before it is sent, and what became of the wish afterwards.

import { Wish } from "../api.js";
import { askForm } from "../dialog.js";
import { h, say } from "../dom.js";
import { choice, field } from "../forms.js";
import * as format from "../format.js";
import { followPrice } from "../live.js";
import { refusal } from "../outcomes.js";
import { toast } from "../toast.js";

const SIZES = [
  ["", "by my settings"], ["risk_percent", "% of equity at risk"], ["amount", "margin in USDT"],
  ["quantity", "quantity of the coin"],
];

/** Asks for a trade and sends it. */
export async function openTrade() {
  const symbol = field(
    "Market", { placeholder: "BTCUSDT", autocomplete: "off", spellcheck: "false" }
  );
  const side = choice("Side", [["LONG", "▲ LONG: it rises"], ["SHORT", "▼ SHORT: it falls"]], "LONG");
  const type = choice("Entry", [["market", "at the market, now"], ["limit", "at a price or better"]], "market");
  const price = field("Limit price", { inputmode: "decimal", required: false, autocomplete: "off" });
  const stop = field(
    "Stop price", { inputmode: "decimal", required: false, autocomplete: "off" },
    "Needed unless your settings have a default distance."
  );
  const targets = field(
    "Targets", { required: false, autocomplete: "off", placeholder: "61000, 62000" },
    "Prices with commas; equal parts are closed at each."
  );
  const how = choice("Size", SIZES, "");
  const size = field("How much", { inputmode: "decimal", required: false, autocomplete: "off" });
  const now = h("p.quiet", { role: "status" });
  const following = follower(symbol.input, now);
  const fit = () => {
    price.element.hidden = type.input.value !== "limit";
    size.element.hidden = how.input.value === "";
  };
  type.input.addEventListener("change", fit);
  how.input.addEventListener("change", fit);
  fit();
  const once = new Wish();
  const done = await askForm("New trade",
    [
      h("div.row-2", symbol.element, side.element), now, h("div.row-2", type.element, price.element),
      h("div.row-2", stop.element, targets.element), h("div.row-2", how.element, size.element),
    h("p.quiet.small", "Your limits and the kill switch apply as to every signal.")], {
    yes: "Open the trade",
    send: async () => {
      const body = wish({ symbol, side, type, price, stop, targets, how, size });
      const answer = await once.send("POST", "/api/positions", body);
      if (!answer.refusal) return answer;
      once.body = null; // the same again is another try: the price may have moved
      throw new RangeError(refusal(answer.refusal)); // what was written stays, to be put right
    },
  });
  following.end();
  if (done) toast(`${format.pair(marketOf(symbol.input.value))}: the trade is planned; it appears here once it is filled.`);
}

function wish({ symbol, side, type, price, stop, targets, how, size }) {
  const body = { symbol: symbol.input.value.trim(), side: side.input.value, type: type.input.value };
  if (body.type === "limit") body.price = price.input.value.trim();
  if (stop.input.value.trim()) body.stop_loss = stop.input.value.trim();
  if (how.input.value) body[how.input.value] = size.input.value.trim();
  const prices = targets.input.value.split(/[,;\s]+/).filter(Boolean);
  if (prices.length) body.targets = prices.map((each) => ({ price: each }));
  return body;
}

/** `BTCUSDT` of `btc/usdt`. */
function marketOf(text) {
  return text.replace(/[/-]/g, "").trim().toUpperCase();
}

/** Shows the price of the market that is being written. */
function follower(input, place) {
  let end = () => {};
  input.addEventListener("change", () => {
    end();
    const symbol = marketOf(input.value);
    say(place, "");
    if (!/^[A-Z0-9]{4,30}$/.test(symbol)) return;
    end = followPrice(
      symbol,
      (data) => say(
        place, `${format.pair(symbol)} now ${format.price(data.price)}${data.simulated ? " (simulated)" : ""}`
      )
    );
  });
  return { end: () => end() };
}
