// Which notices come over which channel, quiet hours, this device's own notices, and webhooks for programs.

import { call } from "../api.js";
import { h } from "../dom.js";
import { check, field, sending } from "../forms.js";
import * as format from "../format.js";
import { card, loads } from "../parts.js";
import { toast } from "../toast.js";
import { deviceCard } from "./settings_device.js";
import { webhooksCard } from "./settings_webhooks.js";

const KINDS = {
  entry: "Signals and entries", target: "Targets reached", stop: "Stops moved", close: "Trades closed",
  refusal: "Not traded, and why",
  alarm: "Alarms", account: "My account", sign_in: "Sign-ins",
};
const CHANNELS = { telegram: "Chat", mail: "Mail", webhook: "Webhook", push: "Devices" };

/** The part. */
export function noticesPart(page) {
  const place = loads(
    "Your notices", () => call("GET", "/api/notifications/settings", { signal: page.leaving.signal }),
    (answer) => form(answer.settings ?? answer)
  );
  return [card("What reaches you where", place), deviceCard(page), webhooksCard(page)];
}

function form(settings) {
  const boxes = [];
  const kinds = Object.keys(settings.channels);
  const rows = kinds.map((kind) => h("tr", h(
    "th", { scope: "row" }, KINDS[kind] ?? format.words(kind)
  ), Object.entries(CHANNELS).map(([channel, name]) => {
    const box = h(
      "input",
      {
        type: "checkbox", checked: settings.channels[kind].includes(channel),
        "aria-label": `${KINDS[kind] ?? kind}: ${name}`,
      }
    );
    boxes.push({ kind, channel, box });
    return h("td.center", box);
  })));
  const quiet = settings.quiet;
  const on = check("Quiet hours", Boolean(quiet), "Chat messages wait until they are over; alarms always come.");
  const from = field("From", { type: "time", value: quiet?.from ?? "22:30", required: false });
  const to = field("To", { type: "time", value: quiet?.to ?? "07:00", required: false });
  const zone = field(
    "Time zone",
    { value: quiet?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone, required: false, autocomplete: "off" }
  );
  const times = h("div.row", from.element, to.element, zone.element);
  const fit = () => { times.hidden = !on.input.checked; };
  on.input.addEventListener("change", fit);
  fit();
  const made = sending([
    h(
      "div.table-wrap",
      h(
        "table.list.matrix", h("caption.unseen", "Notices by channel"),
        h(
          "thead",
          h(
            "tr", h("th", { scope: "col" }, "Notice"),
            Object.values(CHANNELS).map((name) => h("th.center", { scope: "col" }, name))
          )
        ),
        h("tbody", rows)
      )
    ),
    on.element, times,
  ], "Save", async () => {
    const channels = Object.fromEntries(kinds.map(
      (kind) => [kind, boxes.filter((each) => each.kind === kind && each.box.checked).map((each) => each.channel)]
    ));
    const hours = on.input.checked ? {
      from: from.input.value, to: to.input.value, zone: zone.input.value.trim(),
    } : null;
    await call("PUT", "/api/notifications/settings", { body: { channels, quiet: hours } });
    toast("Your notices are saved.");
  }, { fields: { "quiet.from": from, "quiet.to": to, "quiet.zone": zone } });
  made.classList.add("wide-form");
  return made;
}
