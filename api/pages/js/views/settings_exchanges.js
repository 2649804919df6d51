// Exchange keys: adding one (checked at the exchange, refused when it may withdraw), testing, removing.

import { call } from "../api.js";
import { ask, askForm } from "../dialog.js";
import { h } from "../dom.js";
import { check, choice, field } from "../forms.js";
import { card, cell, empty, loads, pill, table, when } from "../parts.js";
import { failed, toast } from "../toast.js";

/** The part. */
export function exchangesPart(page) {
  let supported = [];
  const place = loads("Your exchange keys",
    () => call("GET", "/api/exchanges", { signal: page.leaving.signal }), (answer) => {
    supported = answer.supported ?? [];
    if (!answer.exchanges.length) return empty(
      "No exchange key",
      "Trading runs on a paper account. Keys are kept encrypted, and one that may withdraw money is refused."
    );
    const list = table(
      "Exchange keys",
      [
        { name: "Exchange" }, { name: "Key" }, { name: "Checked" }, { name: "Most leverage", num: true },
        { name: "Actions", hidden: true },
      ]
    );
    list.body.append(...answer.exchanges.map((each) => row(each, place)));
    return list.element;
  });
  return card(
    "Exchange keys", place,
    {
      flush: true,
      tools: [h("button.button.slim", { type: "button", onclick: () => add(supported, place) }, "Add a key…")],
    }
  );
}

function row(each, place) {
  const button = (name, act, danger = false) => h(
    "button.button.slim",
    {
      type: "button", class: danger ? "danger" : null,
      "aria-label": `${name.replace("…", "")} the key of ${each.exchange}`, onclick: act,
    },
    name
  );
  const test = async () => {
    try {
      const { exchange } = await call("POST", `/api/exchanges/${encodeURIComponent(each.id)}/test`, { body: {} });
      toast(`${exchange.exchange}: ${checked(exchange.check)}`);
      place.load();
    } catch (error) {
      failed(error, "The test failed");
    }
  };
  const remove = async () => {
    if (!(
      await ask(
        `Remove the key of ${each.exchange}?`,
        ["It is erased here. At the exchange it still exists: delete it there too."], { yes: "Remove", danger: true }
      )
    )) return;
    try {
      await call("DELETE", `/api/exchanges/${encodeURIComponent(each.id)}`);
      toast("The key is removed.");
      place.load();
    } catch (error) {
      failed(error, "Not removed");
    }
  };
  return h("tr",
    cell(
      "",
      h(
        "span", h("b", each.exchange), " ", h("span.quiet.breaks", each.label),
        each.testnet ? [" ", pill("testnet", "info")] : null
      ),
      { wide: true }
    ),
    cell("Key", h("code", each.api_key)),
    cell("Checked", h("span", checked(each.check), " ", when(each.check.at, { class: "quiet small" }))),
    cell("Most leverage", each.leverage_cap ? `${each.leverage_cap}x` : "by settings", { num: true }),
    h("td.wide", h("div.row-actions", button("Test", test), button("Remove…", remove, true))));
}

function checked(report) {
  return report.sentence;
}

async function add(supported, place) {
  const exchange = choice("Exchange", supported.map((each) => [each.id, each.name]), supported[0]?.id);
  const label = field("Label", { required: false, maxlength: 80 });
  const key = field("API key", { autocomplete: "off", spellcheck: "false" });
  const secret = field("Secret", { type: "password", autocomplete: "off" });
  const phrase = field("Passphrase", { type: "password", autocomplete: "off", required: false });
  const testnet = check("This is a key of the exchange's test network", false);
  const confirm = check(
    "I have switched withdrawals off for this key", false, "This exchange can't tell us; only you can."
  );
  const fit = () => {
    const venue = supported.find((each) => each.id === exchange.input.value);
    phrase.element.hidden = !venue?.passphrase;
    confirm.element.hidden = venue?.tells_rights !== false;
  };
  exchange.input.addEventListener("change", fit);
  fit();
  const made = await askForm("Add an exchange key", [
    h(
      "p.quiet",
      "Give it the right to trade, never to withdraw, and allow only this server's address. It is tested at the exchange before it is kept."
    ),
    exchange.element, label.element, key.element, secret.element, phrase.element, testnet.element, confirm.element,
  ], {
    yes: "Test and add",
    send: () => call("POST", "/api/exchanges", {
      body: {
        exchange: exchange.input.value, label: label.input.value.trim(), api_key: key.input.value.trim(),
        secret: secret.input.value.trim(),
        ...(phrase.input.value ? { passphrase: phrase.input.value } : {}), testnet: testnet.input.checked,
        i_confirm_no_withdrawals: confirm.input.checked,
      },
    }),
  });
  if (!made) return;
  toast(`The key is kept: ${checked(made.exchange.check)}.`);
  place.load();
}
