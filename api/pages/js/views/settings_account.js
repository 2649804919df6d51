// Your account: profile, address, password, the linked Telegram account, your data.

import { call } from "../api.js";
import { ask, askForm } from "../dialog.js";
import { fill, h } from "../dom.js";
import { field, once, sending } from "../forms.js";
import { card, facts, loads, pill, when } from "../parts.js";
import { failed, toast } from "../toast.js";

/** The part. */
export function accountPart(page) {
  const place = loads("Your profile",
    async () => (await call("GET", "/api/users/me", { signal: page.leaving.signal })).user, (user) => [
    h("div.grid", profile(user), address(user), password(user)),
    h("div.grid", telegram(user, () => place.load()), data(user)),
  ]);
  return place;
}

function profile(user) {
  const name = field("Name", { value: user.name, required: false, maxlength: 100, autocomplete: "name" });
  const zone = field(
    "Time zone", { value: user.time_zone, list: "zones", autocomplete: "off" },
    "For days and quiet hours, for example Europe/Zurich."
  );
  const zones = h(
    "datalist", { id: "zones" },
    (Intl.supportedValuesOf?.("timeZone") ?? []).map((each) => h("option", { value: each }))
  );
  return card("Profile", [facts(["Role", pill(user.role, "info")], ["Member since", when(user.created_at)]), h("br"),
    sending([name.element, zone.element, zones], "Save", async () => {
      await call(
        "PATCH", "/api/users/me", { body: { name: name.input.value.trim(), time_zone: zone.input.value.trim() } }
      );
      toast("Your profile is saved.");
    }, { fields: { name, time_zone: zone } })]);
}

function address(user) {
  const email = field("New address", { type: "email", autocomplete: "email" });
  const word = field("Your password", { type: "password", autocomplete: "current-password" });
  return card("E-mail",
    [
      h("p.quiet", `Now ${user.email ?? "none"}. A new address counts once you confirm it by the mail sent to it.`),
      h("br"),
    sending([email.element, word.element], "Change the address", async () => {
      await call("POST", "/api/auth/email", { body: { email: email.input.value.trim(), password: word.input.value } });
      toast("A mail to the new address asks you to confirm it.");
      email.input.value = word.input.value = "";
    }, { fields: { email, password: word } })]);
}

function password(user) {
  if (user.has_password === false) {
    return card(
      "Password",
      h("p", "You have no password yet. Sign out and choose “Forgotten password” to get a link that sets one.")
    );
  }
  const old = field("Present password", { type: "password", autocomplete: "current-password" });
  const next = field(
    "New password", { type: "password", autocomplete: "new-password" }, "At least 10 characters; a sentence is good."
  );
  return card("Password", sending([old.element, next.element], "Change the password", async () => {
    await call(
      "POST", "/api/auth/password", { body: { current_password: old.input.value, new_password: next.input.value } }
    );
    toast("Your password is changed. Every other sign-in has ended.");
    old.input.value = next.input.value = "";
  }, { fields: { current_password: old, new_password: next } }));
}

function telegram(user, again) {
  const place = h("div.stack");
  const link = async () => {
    try {
      const made = await call("POST", "/api/telegram/link", { body: {} });
      fill(
        place, h("p", "Send this to the bot within ten minutes, or open the link:"),
        once("Command", `/link ${made.code}`, "Works once. Whoever sends it is linked to your account: show it to nobody."),
        made.url ? h(
          "a.button", { href: made.url, rel: "noopener noreferrer", target: "_blank" }, "Open Telegram"
        ) : h("p.quiet.small", "This installation has no Telegram bot connected."),
        h("button.button", { type: "button", onclick: again }, "Done"));
    } catch (error) {
      failed(error, "No code");
    }
  };
  const unlink = async () => {
    if (!(
      await ask(
        "Unlink Telegram?", ["Notices no longer come to that chat, and its commands no longer reach your account."],
        { yes: "Unlink" }
      )
    )) return;
    try {
      await call("DELETE", "/api/telegram/link");
      toast("Telegram is unlinked.");
      again();
    } catch (error) {
      failed(error, "Not unlinked");
    }
  };
  fill(
    place,
    h(
      "p",
      user.telegram_linked
        ? "Your Telegram account is linked: notices and commands reach you there."
        : "Link your Telegram account to get notices and use commands there."
    ),
    user.telegram_linked ? h("button.button", { type: "button", onclick: unlink }, "Unlink…") : h(
      "button.button", { type: "button", onclick: link }, "Get a code"
    ));
  return card("Telegram", place);
}

function data(user) {
  const take = async () => {
    try {
      const answer = await call("GET", "/api/users/me/export");
      const address = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
      h("a", { href: address, download: "my-data.json" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    } catch (error) {
      failed(error, "No export");
    }
  };
  const erase = async () => {
    const word = user.has_password ? field("Your password", { type: "password", autocomplete: "current-password" })
      : field("Write: delete my account", { autocomplete: "off" });
    const done = await askForm("Delete your account?", [
      h(
        "ul.points", h("li", "Your address, name, keys and sign-ins are erased."),
        h("li", "Open positions must be closed first."),
        h("li", "Trades are kept without your name. This can't be undone.")
      ),
      word.element,
    ],
    {
      yes: "Delete my account", danger: true,
      send: () => call(
        "DELETE", "/api/users/me",
        { body: user.has_password ? { password: word.input.value } : { confirm: word.input.value } }
      ),
    });
    if (done) location.reload();
  };
  return card(
    "Your data",
    h(
      "div.form-actions", h("button.button", { type: "button", onclick: take }, "Download everything of mine"),
      h("button.button.danger", { type: "button", onclick: erase }, "Delete my account…")
    )
  );
}
