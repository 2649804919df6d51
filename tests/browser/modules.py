"""The dashboard's modules in a bare page of a browser, without a house."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Route

from api.routes.pages import PAGES, POLICY
from tests.browser.browsing import chromium

HOST = "http://pages.test"
#: A bare page under the same policy as the real one; modules are fetched from the working tree.
BARE = '<!doctype html><html lang="en"><title>bare</title><body><main id="main"></main><div id="spoken"></div></body>'
#: `ask(module, script, argument)` runs the body of a function of a module `m` on an argument `a`.
Ask = Callable[..., Any]


@contextmanager
def asking() -> Iterator[Ask]:
    """A browser with the bare page."""
    with chromium() as browser:
        window = browser.new_page()
        window.route("**/*", _serve)
        window.goto(f"{HOST}/")

        def ask(module: str, script: str, argument: Any = None) -> Any:
            return window.evaluate(
                f"async (a) => {{ const m = await import('/assets/js/{module}'); {script} }}", argument
            )

        yield ask


def _serve(route: Route) -> None:
    name = route.request.url.removeprefix(HOST).removeprefix("/assets")
    if name == "/":
        route.fulfill(body=BARE, content_type="text/html", headers={"Content-Security-Policy": POLICY})
        return
    path = PAGES / name.lstrip("/")
    kind = mimetypes.guess_type(path.name)[0] or "text/javascript"
    route.fulfill(body=path.read_bytes(), content_type=kind)
