// Webhooks: events of yours sent to an address of yours, signed; with what was sent and how it went.

import { call } from "../api.js";
import { ask, askForm, show } from "../dialog.js";
import { h } from "../dom.js";
import { field, once } from "../forms.js";
import * as format from "../format.js";
import { card, cell, empty, loads, pill, table, when } from "../parts.js";
import { failed, toast } from "../toast.js";

const ALL = "*"; // how the service writes "all events"

/** The card. */
export function webhooksCard(page) {
  const place = loads("Your webhooks",
    () => call("GET", "/api/hooks", { signal: page.leaving.signal }), ({ webhooks }) => {
    if (!webhooks.length) return empty(
      "No webhook", "A program of yours can be told of every signal, fill and close, signed so that it knows it was us."
    );
    const list = table(
      "Webhooks", [{ name: "Address" }, { name: "Events" }, { name: "State" }, { name: "Actions", hidden: true }]
    );
    list.body.append(...webhooks.map((each) => row(each, place)));
    return list.element;
  });
  return card(
    "Webhooks", place,
    { flush: true, tools: [h("button.button.slim", { type: "button", onclick: () => create(place) }, "New webhook…")] }
  );
}

function row(each, place) {
  const path = `/api/hooks/${encodeURIComponent(each.id)}`;
  const act = (work, what) => async () => {
    try {
      await work();
      place.load();
    } catch (error) {
      failed(error, what);
    }
  };
  const test = act(
    async () => {
      await call("POST", `${path}/test`, { body: {} });
      toast("A test event is on its way; see its deliveries.");
    },
    "No test"
  );
  const toggle = act(() => call("PATCH", path, { body: { enabled: !each.enabled } }), "Not changed");
  const remove = act(async () => {
    if (await ask(
      "Remove this webhook?", [each.url, "Nothing is sent to it any more."], { yes: "Remove", danger: true }
    )) await call("DELETE", path);
  }, "Not removed");
  const button = (name, work, danger = false) => h(
    "button.button.slim",
    {
      type: "button", class: danger ? "danger" : null, "aria-label": `${name.replace("…", "")} ${each.name || each.url}`, onclick: work,
    },
    name
  );
  return h("tr",
    cell("", h("span.breaks", each.name ? h("b", each.name, " ") : null, each.url), { wide: true }),
    cell("Events", each.events.map((one) => (one === ALL ? "all" : one)).join(", ")),
    cell("State", pill(each.enabled ? "enabled" : "disabled")),
    h(
      "td.wide",
      h(
        "div.row-actions", button("Deliveries", () => deliveries(path)), button("Test", test),
        button(each.enabled ? "Switch off" : "Switch on", toggle), button("Remove…", remove, true)
      )
    ));
}

function deliveries(path) {
  show("Deliveries",
    loads("What was sent",
      () => call("GET", `${path}/deliveries`, { query: { limit: 30 } }), ({ deliveries: found }) => (found.length
    ? h("ul.lines",
      found.map((each) => h("li", h(
        "span", each.type ?? each.event ?? format.NOTHING
      ), " ", pill(each.status), each.response_code ? h(
        "span.quiet.small", ` answered ${each.response_code}`
      ) : null,
      h("span.line-end", when(each.created_at)))))
    : empty("Nothing was sent yet"))));
}

async function create(place) {
  const url = field("Address", { type: "url", placeholder: "https://example.com/hook" });
  const name = field("Name", { required: false, maxlength: 80 });
  const events = field(
    "Events", { value: "all" }, "all, or names with commas, for example position.*, signal.received"
  );
  const made = await askForm("New webhook", [url.element, name.element, events.element], {
    yes: "Add the webhook",
    send: () => call(
      "POST", "/api/hooks",
      {
        body: {
          url: url.input.value.trim(), name: name.input.value.trim(),
          events: events.input.value.split(",").map((each) => each.trim()).filter(Boolean).map(
            (each) => (each.toLowerCase() === "all" ? ALL : each)
          ),
        }
      }
    ),
  });
  if (!made) return;
  show(
    "The webhook's secret",
    [
      h("p", "Check every delivery's signature with it; the documentation has the few lines that do."),
      once("Secret", made.secret),
    ]
  );
  place.load();
}
