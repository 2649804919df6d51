// Notices on this device: web push, through the service worker.

import { call } from "../api.js";
import { fill, h } from "../dom.js";
import { card, explain, loads, when } from "../parts.js";
import { failed, toast } from "../toast.js";

const DEVICE = "device";

/** The card. */
export function deviceCard(page) {
  const place = h("div.stack");
  draw(page, place);
  return card("This device", place);
}

async function draw(page, place) {
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !isSecureContext) {
    fill(
      place,
      h(
        "p.quiet",
        "This browser can't get notices while the page is closed. It needs https (or this machine's own address) and, on an iPhone, the page added to the home screen."
      )
    );
    return;
  }
  const worker = await navigator.serviceWorker.getRegistration();
  const subscription = await worker?.pushManager.getSubscription();
  if (page.closed) return;
  const button = subscription ? h(
    "button.button", { type: "button", onclick: () => off(page, place, subscription) }, "Turn notices off here"
  )
    : h("button.button", { type: "button", onclick: () => on(page, place) }, "Get notices on this device");
  const test = subscription ? h("button.button", { type: "button", onclick: tryIt }, "Send a test") : null;
  fill(
    place,
    h(
      "p",
      subscription
        ? "This device gets notices, also while the page is closed."
        : "Get notices here while the page is closed."
    ),
    h("div.form-actions", button, test),
    loads(
      "Your devices", () => call("GET", "/api/notifications/devices", { signal: page.leaving.signal }),
      ({ devices }) => (
        devices.length
          ? h(
            "ul.lines",
            devices.map((each) => h(
              "li", h("span.breaks", each.name || each.kind), h("span.line-end", when(each.created_at))
            ))
          )
          : null
      )
    ));
}

async function on(page, place) {
  try {
    if ((await Notification.requestPermission()) !== "granted") return toast(
      "The browser does not allow notices from this page; its settings decide.", { level: "bad" }
    );
    const { key } = await call("GET", "/api/notifications/push-key");
    const worker = await navigator.serviceWorker.ready;
    const subscription = await worker.pushManager.subscribe({
      userVisibleOnly: true, applicationServerKey: bytes(key),
    });
    const { endpoint, keys } = subscription.toJSON();
    const name = navigator.userAgentData?.platform ?? navigator.platform ?? "";
    const { device } = await call(
      "POST", "/api/notifications/register",
      { body: { kind: "web", endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth }, name } }
    );
    localStorage.setItem(DEVICE, device.id);
    toast("This device gets notices.");
  } catch (error) {
    if (error.kind === undefined) toast(`The browser refused: ${error.message}`, { level: "bad" });
    else failed(error, "Not turned on");
  }
  draw(page, place);
}

async function off(page, place, subscription) {
  try {
    const id = localStorage.getItem(DEVICE);
    if (id) await call("POST", "/api/notifications/unregister", { body: { device_id: id } });
    localStorage.removeItem(DEVICE);
  } catch (error) {
    if (error.kind === undefined) throw error;
    toast(`The service kept this device: ${explain(error)}`, { level: "bad" });
  }
  await subscription.unsubscribe();
  draw(page, place);
}

async function tryIt() {
  try {
    await call("POST", "/api/notifications/test", { body: {} });
    toast("A test is on its way.");
  } catch (error) {
    failed(error, "No test");
  }
}

/** The bytes of a base64url text. */
function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
