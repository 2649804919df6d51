// Signing in: with address and password (and a code), or with an access token, such as the operator's.

import { call } from "../api.js";
import { fill, h, identifier } from "../dom.js";
import { explain } from "../parts.js";
import { path } from "../router.js";
import { signIn, useAccessToken } from "../session.js";

const REPEAT_MS = 3_000;

/** Shows the page; `enter` is called once somebody is signed in. */
export function showSignIn(place, enter, note = "") {
  const [first, second] = path();
  if (first === "reset-password" && second) return shell(
    place, "Choose a new password", resetForm(place, enter, second)
  );
  if (first === "verify-email" && second) return verify(place, enter, second);
  const content = [passwordForm(enter), links(place, enter), tokenForm(enter)];
  shell(place, "Sign in", content, note);
  place.querySelector("input")?.focus();
}

/** Shows that nobody answers, and tries again by itself. */
export function showUnreachable(place, again) {
  shell(place, "The API can't be reached", [
    h(
      "p",
      "This page is here, but the service behind it does not answer. It may be starting, or stopped, or your connection is down."
    ),
    h("p.quiet", "Trading may well go on; this page can't tell. Trying again by itself…"),
    h("button.button.main", { type: "button", onclick: again }, "Try again now"),
  ]);
  place.querySelector(".card").dataset.banner = "api";
  setTimeout(again, REPEAT_MS);
}

function shell(place, title, content, note = "") {
  document.title = `${title} · VerzekAutoTrader`;
  fill(place, h("main.sign-in", { id: "main" }, h("div.card",
    h("header", h("img", { src: "/assets/icons/icon.svg", alt: "" }), h("div", h("p.quiet.small", "VerzekAutoTrader"), h("h1", title))),
    note ? h("p.trouble", { role: "status" }, note) : null, h("div.stack", content))));
}

function field(label, attributes, hint = "") {
  const id = identifier("field");
  const input = h("input", { id, required: true, "aria-describedby": hint ? `${id}-hint` : null, ...attributes });
  const element = h(
    "div.field", h("label", { for: id }, label), input, hint ? h("span.hint", { id: `${id}-hint` }, hint) : null
  );
  return { element, input };
}

/** A form that sends once, shows what went wrong, and gives the focus to it. */
function sending(fields, button, send) {
  const wrong = h("p.loss", { role: "alert" });
  const act = h("button.button.main", { type: "submit" }, button);
  return h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      act.setAttribute("aria-busy", "true");
      act.disabled = true;
      fill(wrong);
      try {
        await send();
      } catch (error) {
        if (error.kind === undefined) throw error;
        const words = explain(error);
        fill(wrong, words.charAt(0).toUpperCase() + words.slice(1));
      } finally {
        act.removeAttribute("aria-busy");
        act.disabled = false;
      }
    },
  }, fields, wrong, act);
}

function passwordForm(enter) {
  const email = field("E-mail", { type: "email", autocomplete: "username", name: "email" });
  const password = field("Password", { type: "password", autocomplete: "current-password", name: "password" });
  const code = field("Code of your authenticator",
    { inputmode: "numeric", autocomplete: "one-time-code", name: "totp", required: false },
    "Six digits, or one of your backup codes.");
  code.element.hidden = true;
  const form = sending([email.element, password.element, code.element], "Sign in", async () => {
    try {
      await signIn(email.input.value.trim(), password.input.value, code.input.value.trim());
      enter();
    } catch (error) {
      if (error.code !== "totp_required" || !code.element.hidden) throw error;
      code.element.hidden = false;
      code.input.required = true;
      code.input.focus();
    }
  });
  form.id = "password-form";
  return form;
}

function tokenForm(enter) {
  const token = field("Access token", { type: "password", autocomplete: "off", name: "token", spellcheck: "false" },
    "The operator's is in the data directory, in operator.token. It is kept in this tab until you close it.");
  const form = sending([token.element], "Use this token", async () => {
    await useAccessToken(token.input.value.trim());
    enter();
  });
  form.id = "token-form";
  return h("details", h("summary", "Use an access token"), form);
}

function links(place, enter) {
  const ask = (title, button, fields, send) => () => shell(place, title, [
    sending(fields.map((each) => each.element), button, send(fields)),
    h("div.links", h("a", { href: "#/", onclick: () => showSignIn(place, enter) }, "Back to the sign-in")),
  ]);
  const email = () => field("E-mail", { type: "email", autocomplete: "username" });
  const done = (text) => showSignIn(place, enter, text);
  const forgot = ask("Forgotten password", "Send me a link", [email()], ([address]) => async () => {
    await call("POST", "/api/auth/forgot-password", { body: { email: address.input.value.trim() }, renew: false });
    done("If there is an account with this address, a link is on its way to it.");
  });
  const register = ask("Make an account", "Register", [email(), newPassword()], ([address, password]) => async () => {
    await call(
      "POST", "/api/auth/register",
      { body: { email: address.input.value.trim(), password: password.input.value }, renew: false }
    );
    done("Thank you. A mail with a link to confirm your address is on its way.");
  });
  return h("div.links", h("button.button.bare.slim", { type: "button", onclick: forgot }, "Forgotten password"),
    h("button.button.bare.slim", { type: "button", onclick: register }, "Make an account"));
}

function newPassword() {
  return field(
    "New password", { type: "password", autocomplete: "new-password", minlength: 10 },
    "At least 10 characters; a sentence is good."
  );
}

function resetForm(place, enter, token) {
  const password = newPassword();
  return sending([password.element], "Set the password", async () => {
    await call(
      "POST", `/api/auth/reset-password/${encodeURIComponent(token)}`,
      { body: { password: password.input.value }, renew: false }
    );
    history.replaceState(null, "", "#/overview");
    showSignIn(place, enter, "Your password is changed. Sign in with it.");
  });
}

async function verify(place, enter, token) {
  history.replaceState(null, "", "#/overview");
  try {
    await call("POST", "/api/auth/verify-email", { body: { token }, renew: false });
    showSignIn(place, enter, "Your address is confirmed. Sign in to go on.");
  } catch (error) {
    if (error.kind === undefined) throw error;
    showSignIn(place, enter, `Your address was not confirmed: ${explain(error)}`);
  }
}
