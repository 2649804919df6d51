// Every request of the page. Signs it, renews the sign-in once when it ran out, and names every way it can fail.

import { put } from "./store.js";

const PATIENCE_MS = 15_000;
let access = null; // the access token; lives in memory only
let renewing = null;
let lost = () => {};

/** What went wrong. `kind`: `unreachable` (nobody answered), `absent` (no such path here), `refused` (a clear no). */
export class Trouble extends Error {
  constructor(
    kind, message, { status = 0, code = "", fields = {}, asked = "", retryAfter = null, answer = null } = {}
  ) {
    super(message);
    Object.assign(this, { kind, status, code, fields, asked, retryAfter, answer });
  }
}

/** Uses this token from now on; null forgets it. */
export function useToken(token) {
  access = token;
}

/** The token that requests are signed with at the moment. */
export function token() {
  return access;
}

/** What is to happen when the sign-in ended and can't be renewed. */
export function onSignedOut(react) {
  lost = react;
}

/**
 * One request; the answer's fields. Raises Trouble.
 * `key` marks a request that must not happen twice: repeated under the same key it gives the first answer.
 */
export async function call(method, path, { body, query, key, signal, renew = true } = {}) {
  const asked = `${method} ${path}`;
  let response = await send(method, path, { body, query, key, signal }, asked);
  if (response.status === 401 && renew && access !== null && (await renewed())) {
    response = await send(method, path, { body, query, key, signal }, asked);
  }
  if (response.status === 401 && renew && access !== null) lost();
  return read(response, asked);
}

async function send(method, path, { body, query, key, signal }, asked) {
  const address = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") address.searchParams.set(name, value);
  }
  const headers = { Accept: "application/json", "X-Requested-With": "verzek" };
  if (access) headers.Authorization = `Bearer ${access}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const late = AbortSignal.timeout(PATIENCE_MS);
  try {
    const response = await fetch(address, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, late]) : late, cache: "no-store", credentials: "same-origin",
    });
    put({ reachable: true });
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    put({ reachable: false });
    throw new Trouble("unreachable", "The API can't be reached.", { asked });
  }
}

async function read(response, asked) {
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  const { code = "", message = "", fields = {} } = answer?.error ?? {};
  const absent = response.status === 405 || (response.status === 404 && /not found on the server/i.test(message));
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const said = message || `The service answered ${response.status}.`;
  throw new Trouble(
    absent ? "absent" : "refused", said, { status: response.status, code, fields, asked, retryAfter, answer }
  );
}

/** A fresh access token by the cookie of this sign-in; whether there is one now. Asked at most once at a time. */
export function renewed() {
  renewing ??= alone(renew).finally(() => (renewing = null));
  return renewing;
}

/** One tab at a time: all tabs share the refresh token, which is worth one use. */
function alone(work) {
  return navigator.locks ? navigator.locks.request("renew", work) : work();
}

async function renew() {
  const response = await send("POST", "/api/auth/refresh", { body: {} }, "POST /api/auth/refresh");
  if (!response.ok) return false;
  const answer = await response.json().catch(() => null);
  if (!answer?.access_token) return false;
  access = answer.access_token;
  return true;
}

/** A key under which one wish is carried out once, however often it is sent. */
export function onceKey() {
  return crypto.randomUUID ? crypto.randomUUID() : Array.from(
    crypto.getRandomValues(new Uint32Array(4)), String
  ).join("-");
}

/**
 * One wish that must come true at most once, however often its button is pressed: the same body goes out under the same key
 * until it was answered; another body, or a new try after a clear no, is another wish.
 */
export class Wish {
  constructor() {
    this.body = null;
    this.key = null;
  }

  async send(method, path, body) {
    const text = JSON.stringify([method, path, body]);
    if (text !== this.body) [this.body, this.key] = [text, onceKey()];
    try {
      return await call(method, path, { body, key: this.key });
    } catch (error) {
      if (error.kind !== "unreachable") this.body = null;
      throw error;
    }
  }
}

/** Every row of a paged list, up to `most`. */
export async function all(path, name, query = {}, most = 1000) {
  const rows = [];
  let cursor = null;
  do {
    const page = await call("GET", path, { query: { limit: 200, ...query, cursor } });
    rows.push(...page[name]);
    cursor = page.next_cursor;
  } while (cursor && rows.length < most);
  return rows;
}
