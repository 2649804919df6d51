"""The dashboard's files: types, versions, a policy that forbids what is not our own, and nothing beyond the list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.routes.pages import PAGES, Shelf, chart_library, files_by_address
from modules.domain.errors import NotFound
from tests.contracts.test_http_api import Door


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    door = Door(tmp_path_factory.mktemp("pages"))
    yield door.client
    door.world.store.close()


def test_the_page_is_open_to_everybody_and_runs_nothing_inline(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    text = page.get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\s(style|on[a-z]+)=", text)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/assets/js/main.js", "text/javascript; charset=utf-8"),
        ("/assets/css/base.css", "text/css; charset=utf-8"),
        ("/assets/icons/icon.svg", "image/svg+xml"),
        ("/assets/vendor/lightweight-charts.js", "text/javascript; charset=utf-8"),
        ("/assets/shell.json", "application/json"),
    ],
)
def test_every_file_has_its_type_and_is_answered_304_to_who_has_it(
    client: FlaskClient, address: str, kind: str
) -> None:
    first = client.get(address)
    assert (first.status_code, first.content_type) == (200, kind)
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data
    assert client.get(address, headers={"If-None-Match": '"older"'}).status_code == 200


def test_packed_and_plain_are_different_versions_of_the_same(client: FlaskClient) -> None:
    plain = client.get("/assets/js/main.js")
    packed = client.get("/assets/js/main.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data)
    assert packed.headers["ETag"] != plain.headers["ETag"]
    refused = client.get("/assets/js/main.js", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


@pytest.mark.parametrize(
    "address",
    [
        "/assets/../app.py",
        "/assets/js/../../app.py",
        "/assets/%2e%2e/app.py",
        "/assets//etc/passwd",
        "/assets/js/",
        "/assets/js/none.js",
        "/assets/index.html",
    ],
)
def test_nothing_beyond_the_list_is_served(client: FlaskClient, address: str) -> None:
    assert client.get(address, follow_redirects=True).status_code == 404


def test_a_file_changed_on_disk_is_a_new_version(tmp_path: Path) -> None:
    for name in ("index.html", "manifest.webmanifest", "sw.js"):
        (tmp_path / name).write_text("one", encoding="utf-8")
    shelf = Shelf(files_by_address(tmp_path))
    first = shelf.version("/")
    (tmp_path / "index.html").write_text("two!", encoding="utf-8")
    assert shelf.version("/") != first
    (tmp_path / "index.html").unlink()
    with pytest.raises(NotFound):
        shelf.version("/")


def test_what_a_browser_keeps_is_all_there(client: FlaskClient) -> None:
    files = json.loads(client.get("/assets/shell.json").data)["files"]
    assert {"/", "/assets/js/main.js", "/assets/css/base.css"} <= set(files)
    for address in files:
        assert client.get(address).status_code == 200, address


def test_the_chart_library_comes_from_its_package_not_from_here() -> None:
    library = chart_library()
    assert library is not None
    assert not library.is_relative_to(PAGES)
    assert not [path for path in PAGES.rglob("*") if "lightweight" in path.name]


def test_modules_never_read_html_nor_evaluate_text() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\b|setAttribute\(\"style"
    )
    for path in PAGES.rglob("*.js"):
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name}: {found}"


def test_every_module_that_is_imported_exists() -> None:
    for path in PAGES.rglob("*.js"):
        for name in re.findall(r"""(?:from|import\()\s*["'](\.[^"']+)["']""", path.read_text(encoding="utf-8")):
            assert (path.parent / name).resolve().is_file(), f"{path.name} imports {name}"


def test_the_manifest_can_be_installed(client: FlaskClient) -> None:
    manifest = json.loads(client.get("/manifest.webmanifest").data)
    assert manifest["display"] == "standalone"
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        assert client.get(icon["src"]).content_type == icon["type"]


def test_every_name_that_a_module_imports_is_used_and_is_there() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in PAGES.rglob("*.js")}
    for path, text in texts.items():
        for names, source in re.findall(r"""import\s*\{([^}]*)\}\s*from\s*["'](\.[^"']+)["']""", text):
            offered = texts[(path.parent / source).resolve()]
            for each in filter(None, (name.strip() for name in names.split(","))):
                name, _, here = each.partition(" as ")
                assert re.search(rf"export (async )?(function|const|class) {name}\b", offered), f"{path.name}: {name}"
                assert len(re.findall(rf"\b{here or name}\b", text)) > 1, f"{path.name} does not use {here or name}"


def test_modules_stay_small() -> None:
    for path in [*PAGES.rglob("*.js"), *PAGES.rglob("*.css")]:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path.name
