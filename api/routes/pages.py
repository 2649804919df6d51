"""The dashboard's own files: the page, its modules, its looks, and the chart library out of the installed package.

Only files that lie in `api/pages` when asked for are served, under names that were listed there: no path is ever built from
a request. Each answer carries a strong ETag, so that a browser asks again cheaply and never shows an old version.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint
from pydantic import BaseModel

from api.gate import needs
from api.rooms import Rooms
from modules.domain.errors import NotFound

PAGES = Path(__file__).resolve().parents[1] / "pages"
CHART_FILE = "lightweight-charts.js"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".json": "application/json",
}
#: The page loads nothing from elsewhere, runs no inline script and evaluates no text.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_SMALL = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as it is served: its content, the same packed, and what names this very content."""

    stamp: tuple[int, int]
    content: bytes
    packed: bytes | None
    etag: str


class Shelf:
    """The files by the address they are served under; one that was changed on disk is read anew."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files
        self._kept: dict[str, Kept] = {}

    def addresses(self) -> list[str]:
        """Every address."""
        return sorted(self._files)

    def answer(self, address: str) -> Response:
        """The file at an address, or 304 when the asker has it. Raises NotFound."""
        return served(self._read(address), TYPES[self._files[address].suffix])

    def version(self, address: str) -> str:
        """What names the present content at an address. Raises NotFound."""
        return self._read(address).etag

    def _read(self, address: str) -> Kept:
        path = self._files.get(address)
        if path is None or not path.is_file():
            raise NotFound("There is no such page.")
        state = path.stat()
        stamp = (state.st_mtime_ns, state.st_size)
        kept = self._kept.get(address)
        if kept is None or kept.stamp != stamp:
            kept = self._kept[address] = keep(path.read_bytes(), stamp)
        return kept


def keep(content: bytes, stamp: tuple[int, int] = (0, 0)) -> Kept:
    """Prepares a content for being served often."""
    packed = gzip.compress(content, 6, mtime=0) if len(content) > _SMALL else None
    return Kept(stamp, content, packed, hashlib.sha256(content).hexdigest()[:20])


def served(kept: Kept, kind: str) -> Response:
    """The answer with a kept content, packed for whoever takes that."""
    packs = kept.packed is not None and bool(request.accept_encodings.quality("gzip"))
    response = Response(kept.packed if packs else kept.content, content_type=kind)
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(kept.etag + ("-gzip" if packs else ""))
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.make_conditional(request)
    return response


def chart_library() -> Path | None:
    """Where the installed package keeps the chart library's file; None where it is not installed."""
    found = importlib.util.find_spec("lightweight_charts")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "js" / CHART_FILE
    return path if path.is_file() else None


def files_by_address(pages: Path = PAGES) -> dict[str, Path]:
    """Address and path of everything that is served."""
    found = {
        "/": pages / "index.html",
        "/manifest.webmanifest": pages / "manifest.webmanifest",
        "/sw.js": pages / "sw.js",
    }
    for folder in ("css", "js", "icons"):
        for path in sorted((pages / folder).rglob("*")):
            if path.suffix in TYPES:
                found[f"/assets/{path.relative_to(pages).as_posix()}"] = path
    if (library := chart_library()) is not None:
        found[f"/assets/vendor/{CHART_FILE}"] = library
    return found


class AssetPath(BaseModel):
    """One file."""

    name: str


def routes(_rooms: Rooms) -> APIBlueprint:
    """The blueprint; it needs nothing of the rooms."""
    blueprint = APIBlueprint("pages", __name__, doc_ui=False)
    shelf = Shelf(files_by_address())
    shell = keep(_shell(shelf))

    @blueprint.get("/")
    @needs(None)
    def index() -> Any:
        return shelf.answer("/")

    @blueprint.get("/manifest.webmanifest")
    @needs(None)
    def manifest() -> Any:
        return shelf.answer("/manifest.webmanifest")

    @blueprint.get("/sw.js")
    @needs(None)
    def service_worker() -> Any:
        return shelf.answer("/sw.js")

    @blueprint.get("/assets/shell.json")
    @needs(None)
    def shell_list() -> Any:
        return served(shell, TYPES[".json"])

    @blueprint.get("/assets/<path:name>")
    @needs(None)
    def asset(path: AssetPath) -> Any:
        return shelf.answer(f"/assets/{path.name}")

    return blueprint


def _shell(shelf: Shelf) -> bytes:
    """What a browser keeps so that the page opens without a connection."""
    kept = [address for address in shelf.addresses() if address != "/sw.js"]
    names = ", ".join(f'"{address}"' for address in kept)
    return f'{{"files": [{names}]}}'.encode()
