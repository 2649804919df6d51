// Two-factor sign-in, where you are signed in, API keys.

import { call } from "../api.js";
import { ask, askForm, show } from "../dialog.js";
import { fill, h } from "../dom.js";
import { check, choice, field, labelled, once, sending } from "../forms.js";
import * as format from "../format.js";
import { card, cell, empty, loads, pill, table, when } from "../parts.js";
import { failed, toast } from "../toast.js";

/** The part. */
export function securityPart(page) {
  return [twoFactor(page), sessions(page), keys(page)];
}

function twoFactor(page) {
  const place = loads("Two-factor sign-in",
    () => call("GET", "/api/2fa/status", { signal: page.leaving.signal }), (status) => (status.enabled ? [
    h("p", pill("enabled"), " since ", when(status.enabled_at), `; ${status.backup_codes_left} backup codes are left.`),
    h(
      "div.form-actions", h("button.button", { type: "button", onclick: renew }, "New backup codes…"),
      h("button.button.danger", { type: "button", onclick: () => disable(place) }, "Turn off…")
    ),
  ] : [h("p", "A code of an authenticator app beside your password. Whoever learns your password alone can't sign in."),
    h("button.button.main", { type: "button", onclick: () => enroll(place) }, "Turn on")]));
  return card("Two-factor sign-in", place);
}

async function enroll(place) {
  try {
    const made = await call("POST", "/api/2fa/enroll", { body: {} });
    const drawn = made.qr_svg.includes("xmlns=") ? made.qr_svg : made.qr_svg.replace(
      "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '
    );
    const code = field(
      "Code that the app shows", { inputmode: "numeric", autocomplete: "one-time-code", maxlength: 10 }
    );
    const form = sending([code.element], "Verify and turn on", async () => {
      const answer = await call("POST", "/api/2fa/verify", { body: { code: code.input.value.trim() } });
      place.load();
      codes(answer.backup_codes);
    }, { fields: { code } });
    fill(
      place,
      h(
        "ol.points-numbered", h("li", "Scan this with your authenticator app, or enter the key by hand."),
        h("li", "Write the code that the app then shows.")
      ),
      h("img.qr", { src: `data:image/svg+xml,${encodeURIComponent(drawn)}`, alt: "QR code of the key below" }),
      once("Key", made.secret), form);
  } catch (error) {
    failed(error, "Not turned on");
  }
}

function codes(list) {
  show(
    "Your backup codes",
    h(
      "div.stack", h("p", "Each signs you in once when you don't have your authenticator. They are shown this once."),
      h("pre.codes", list.join("\n"))
    )
  );
}

async function renew() {
  const word = field("Your password", { type: "password", autocomplete: "current-password" });
  const answer = await askForm("New backup codes?", [h("p", "The old ones no longer count."), word.element], {
    yes: "Make new codes", send: () => call("POST", "/api/2fa/backup-codes", { body: { password: word.input.value } }),
  });
  if (answer) codes(answer.backup_codes);
}

async function disable(place) {
  const word = field("Your password", { type: "password", autocomplete: "current-password" });
  const done = await askForm(
    "Turn two-factor sign-in off?", [h("p", "Your password alone then signs you in."), word.element], {
    yes: "Turn off", danger: true,
    send: () => call("POST", "/api/2fa/disable", { body: { password: word.input.value } }),
  });
  if (!done) return;
  toast("Two-factor sign-in is off.");
  place.load();
}

function sessions(page) {
  const place = loads("Your sign-ins",
    () => call("GET", "/api/sessions", { signal: page.leaving.signal }), ({ sessions: found }) => {
    if (!found.length) return empty("No sign-in by password", "You are signed in by an access token.");
    const list = table(
      "Where you are signed in",
      [
        { name: "Device" }, { name: "Address" }, { name: "By" }, { name: "Last used" },
        { name: "Actions", hidden: true },
      ]
    );
    list.body.append(...found.map((each) => h("tr", cell(
      "", h("span.breaks", device(each.agent), each.current ? [" ", pill("this one", "info")] : null), { wide: true }
    ),
      cell("Address", each.address || format.NOTHING), cell("By", format.words(each.signed_in_by)),
      cell("Last used", when(each.last_used_at)),
      h(
        "td.wide",
        each.current ? null : h(
          "div.row-actions",
          h(
            "button.button.slim",
            {
              type: "button", "aria-label": `End the sign-in on ${device(each.agent)}`, onclick: () => end(each, place),
            },
            "End"
          )
        )
      ))));
    return list.element;
  });
  const all = h("button.button.slim.danger", { type: "button", onclick: endAll }, "End all…");
  return card("Signed in", place, { tools: [all], flush: true });
}

function device(agent) {
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|Linux)/.exec(agent ?? "")?.[1];
  const program = /(Edg|OPR|Firefox|Chrome|Safari|curl|python[\w-]*)/i.exec(agent ?? "")?.[1];
  const names = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS" };
  const parts = [names[program] ?? program, names[system] ?? system].filter(Boolean);
  return parts.length ? parts.join(" on ") : agent || "unknown";
}

async function end(each, place) {
  try {
    await call("DELETE", `/api/sessions/${encodeURIComponent(each.id)}`);
    toast("That sign-in has ended.");
    place.load();
  } catch (error) {
    failed(error, "Not ended");
  }
}

async function endAll() {
  if (!(
    await ask("End every sign-in?", ["You are signed out here as well."], { yes: "End all", danger: true })
  )) return;
  try {
    await call("POST", "/api/auth/logout-all", { body: {} });
    location.reload();
  } catch (error) {
    failed(error, "Not ended");
  }
}

const SCOPES = [
  ["signals.read", "Read signals"], ["signals.post", "Hand in signals"],
  ["trades.read", "Read positions, orders and money"], ["trades.write", "Trade and change trade settings"],
  ["safety.read", "Read the kill switch"], ["safety.stop_own", "Stop my trading"], ["analysis.read", "Read analysis"],
  ["strategies.read", "Read strategies and backtests"], ["strategies.write", "Change strategies, run backtests"],
];

/** A right in words, the first one's capital left out: it stands in a list. */
function rightOf(verb) {
  const words = SCOPES.find(([name]) => name === verb)?.[1] ?? verb;
  return words.charAt(0).toLowerCase() + words.slice(1);
}

function keys(page) {
  const place = loads("Your API keys",
    () => call("GET", "/api/keys", { signal: page.leaving.signal }), ({ keys: found }) => {
    if (!found.length) return empty(
      "No API key", "A program of yours uses one instead of your password. Give it only what it needs."
    );
    const list = table(
      "API keys",
      [
        { name: "Name" }, { name: "Begins with" }, { name: "May" }, { name: "Last used" }, { name: "Ends" },
        { name: "Actions", hidden: true },
      ]
    );
    list.body.append(...found.map((each) => h("tr", cell(
      "", h("b.breaks", each.name), { wide: true }
    ), cell("Begins with", h("code", `${each.prefix}…`)),
      cell("May", each.scopes ? each.scopes.map(rightOf).join(", ") : "all that you may"),
      cell("Last used", each.last_used_at ? when(each.last_used_at) : "never"),
      cell("Ends", each.expires_at ? when(each.expires_at) : "never"),
      h(
        "td.wide",
        h(
          "div.row-actions",
          h(
            "button.button.slim.danger",
            { type: "button", "aria-label": `Revoke ${each.name}`, onclick: () => revoke(each, place) }, "Revoke…"
          )
        )
      ))));
    return list.element;
  });
  return card(
    "API keys", place,
    { tools: [h("button.button.slim", { type: "button", onclick: () => create(place) }, "New key…")], flush: true }
  );
}

async function create(place) {
  const name = field("Name", { maxlength: 100, placeholder: "my bot" });
  const days = choice("Ends after", [["30", "30 days"], ["90", "90 days"], ["365", "a year"], ["", "never"]], "90");
  const boxes = SCOPES.map(([verb, text]) => ({ verb, ...check(text, verb.endsWith(".read")) }));
  const rights = labelled("May", h("div.stack", { role: "group" }, boxes.map((each) => each.element)));
  const made = await askForm("New API key", [name.element, rights.element, days.element], {
    yes: "Make the key",
    send: () => {
      const scopes = boxes.filter((each) => each.input.checked).map((each) => each.verb);
      if (!scopes.length) throw new RangeError("Choose at least one right.");
      const expires = days.input.value ? new Date(Date.now() + Number(
        days.input.value
      ) * 86_400_000).toISOString() : null;
      return call("POST", "/api/keys", { body: { name: name.input.value.trim(), scopes, expires_at: expires } });
    },
  });
  if (!made) return;
  show("Your new key", once("API key", made.key));
  place.load();
}

async function revoke(each, place) {
  if (!(
    await ask(`Revoke ${each.name}?`, ["Programs that use it are refused at once."], { yes: "Revoke", danger: true })
  )) return;
  try {
    await call("DELETE", `/api/keys/${encodeURIComponent(each.id)}`);
    toast("The key is revoked.");
    place.load();
  } catch (error) {
    failed(error, "Not revoked");
  }
}
