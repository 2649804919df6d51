// The beginning: who is signed in decides between the sign-in page and the frame with its pages.

import { onSignedOut } from "./api.js";
import { frame, unframe } from "./frame.js";
import { follow, unfollow } from "./live.js";
import * as router from "./router.js";
import { forget, resume, signOut, welcomed } from "./session.js";
import { get, put } from "./store.js";
import * as stream from "./stream.js";
import { toast } from "./toast.js";
import { showSignIn, showUnreachable } from "./views/sign_in.js";

const PAGES = [
  ["overview", () => import("./views/overview.js")],
  ["signals", () => import("./views/signals.js")],
  ["signals/:id", () => import("./views/signals.js")],
  ["positions", () => import("./views/positions.js")],
  ["positions/:which", () => import("./views/positions.js")],
  ["position/:id", () => import("./views/position.js")],
  ["orders", () => import("./views/orders.js")],
  ["sources", () => import("./views/sources.js")],
  ["sources/:name", () => import("./views/sources.js")],
  ["strategies", () => import("./views/strategies.js")],
  ["strategies/:id", () => import("./views/strategy_editor.js")],
  ["backtests", () => import("./views/backtests.js")],
  ["backtests/:id", () => import("./views/backtest.js")],
  ["backtests/:id/:other", () => import("./views/backtest.js")],
  ["chat", () => import("./views/chat.js")],
  ["settings", () => import("./views/settings.js")],
  ["settings/:part", () => import("./views/settings.js")],
  ["users", () => import("./views/users.js")],
  ["audit", () => import("./views/audit.js")],
  ["broadcasts", () => import("./views/broadcasts.js")],
  ["system", () => import("./views/system.js")],
];

const app = document.getElementById("app");
let inside = false;

function enter() {
  inside = true;
  const mark = frame(app, leave);
  stream.begin((data) => welcomed(data, get("principal")));
  follow();
  router.start(PAGES, mark);
}

function exit() {
  inside = false;
  router.stop();
  unfollow();
  stream.end();
  unframe();
}

async function leave() {
  exit();
  await signOut();
  showSignIn(app, enter, "You are signed out.");
}

onSignedOut(() => {
  if (!inside) return;
  exit();
  forget();
  showSignIn(app, enter, "Your sign-in has ended. Sign in again to go on.");
});

async function start() {
  try {
    if (await resume()) enter();
    else showSignIn(app, enter);
  } catch (error) {
    if (error.kind !== "unreachable") throw error;
    showUnreachable(app, start);
  }
}

addEventListener("unhandledrejection", (event) => {
  if (event.reason?.kind) {
    event.preventDefault();
    put({ reachable: event.reason.kind !== "unreachable" });
    toast(event.reason.message, { level: "bad" });
  }
});

start();
if ("serviceWorker" in navigator && isSecureContext) navigator.serviceWorker.register("/sw.js");
