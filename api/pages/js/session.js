// Who is signed in. The access token lives in memory; a reload renews it by a cookie that scripts can't read. Somebody who
// signed in with an access token of their own keeps it in this tab until it is closed.

import { call, renewed, useToken } from "./api.js";
import { put } from "./store.js";

const KEPT = "token";
const BY_COOKIE = "signed in"; // says that there may be a cookie to renew by; the cookie itself no script can see

/** Tries to continue a sign-in; whether somebody is signed in now. Raises Trouble when nobody answers. */
export async function resume() {
  const kept = sessionStorage.getItem(KEPT);
  if (kept) {
    useToken(kept);
    if (await known()) return true;
    sessionStorage.removeItem(KEPT);
  }
  useToken(null);
  if (!localStorage.getItem(BY_COOKIE)) return false;
  if ((await renewed()) && (await known())) return true;
  localStorage.removeItem(BY_COOKIE);
  return false;
}

/** Signs in with address and password, and a code where two-factor is on. Raises Trouble (`totp_required` asks for one). */
export async function signIn(email, password, totp) {
  const body = { email, password, cookie: true, ...(totp ? { totp } : {}) };
  const answer = await call("POST", "/api/auth/login", { body, renew: false });
  useToken(answer.access_token);
  localStorage.setItem(BY_COOKIE, "yes");
  await known();
}

/** Signs in with an access token or the operator's. Raises Trouble when it is not one. */
export async function useAccessToken(text) {
  useToken(text);
  try {
    await who();
  } catch (error) {
    useToken(null);
    throw error;
  }
  sessionStorage.setItem(KEPT, text);
}

/** Ends the sign-in here and at the server. */
export async function signOut() {
  const byToken = sessionStorage.getItem(KEPT) !== null;
  forget();
  if (!byToken) await call("POST", "/api/auth/logout", { body: {}, renew: false }).catch(ignoreRefusal);
  useToken(null);
}

/** Forgets the sign-in in this tab. */
export function forget() {
  sessionStorage.removeItem(KEPT);
  localStorage.removeItem(BY_COOKIE);
  put({ principal: null });
}

/** Notes who we are as the stream says it, where the API did not. */
export function welcomed({ user_id, role }, principal) {
  if (principal && principal.role === null) put({ principal: { ...principal, user_id, role } });
}

async function known() {
  try {
    await who();
    return true;
  } catch (error) {
    if (error.kind === "unreachable") throw error;
    useToken(null);
    return false;
  }
}

async function who() {
  try {
    const answer = await call("GET", "/api/auth/me", { renew: false });
    const user = answer.user ?? answer;
    put({ principal: { ...user, user_id: user.user_id ?? user.id, role: user.role ?? null } });
  } catch (error) {
    if (error.kind !== "absent") throw error;
    await call("GET", "/api/safety/status", { renew: false });
    put({ principal: { user_id: null, role: null } });
  }
}

function ignoreRefusal(error) {
  if (error.kind === undefined) throw error;
}
