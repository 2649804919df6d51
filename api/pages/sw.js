// Keeps the page's own files, so that it opens without a connection and can say that the API can't be reached. Never keeps
// answers of the API: an old figure must not look like a new one.

const CACHE = "pages";

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const { files } = await (await fetch("/assets/shell.json", { cache: "no-cache" })).json();
    const cache = await caches.open(CACHE);
    await cache.addAll(files.map((file) => new Request(file, { cache: "no-cache" })));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  const own = address.origin === location.origin && (address.pathname === "/" || address.pathname.startsWith("/assets/"));
  if (event.request.method === "GET" && own) event.respondWith(newestElseKept(event.request));
});

async function newestElseKept(request) {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(request, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("push", (event) => {
  const { title = "VerzekAutoTrader", body = "", tag, url = "/" } = event.data?.json() ?? {};
  event.waitUntil(self.registration.showNotification(title, { body, tag, data: { url }, icon: "/assets/icons/icon.svg" }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const address = new URL(event.notification.data?.url ?? "/", location.origin);
  event.waitUntil((async () => {
    const open = await self.clients.matchAll({ type: "window" });
    if (open.length) return open[0].focus();
    return address.origin === location.origin ? self.clients.openWindow(address) : null;
  })());
});
