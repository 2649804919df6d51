"""The checks of pages find what they look for, and nothing on a page that is as it should be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Page

from tests.browser.browsing import CHROMIUM, chromium, low_contrast, nameless_controls, overflows

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]
WELL = '<html lang="en"><body><main><h1>Title</h1><button>Go</button>{}</main></body></html>'


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 600, "height": 400})


@pytest.mark.parametrize(
    "inside",
    [
        "<label>Name <input></label>",
        '<input aria-label="Name">',
        '<p style="color:#767676;background:#fff">grey</p>',
        "<a href='#'>x</a>",
    ],
)
def test_a_page_as_it_should_be_passes(page: Page, inside: str) -> None:
    page.set_content(WELL.format(inside))
    assert nameless_controls(page) == []
    assert low_contrast(page) == []
    assert overflows(page) == []


@pytest.mark.parametrize(
    "inside",
    [
        "<input>",
        "<button></button>",
        '<a href="#"><img src="data:," alt=""></a>',
        '<img src="data:,">',
        '<p id="a">x</p><p id="a">y</p>',
        "<h1>again</h1>",
        '<table class="list"><tbody><tr><td>x</td></tr></tbody></table>',
        "<select></select>",
    ],
)
def test_what_a_screen_reader_could_not_name_is_found(page: Page, inside: str) -> None:
    page.set_content(WELL.format(inside))
    assert len(nameless_controls(page)) == 1


@pytest.mark.parametrize(
    "inside",
    [
        '<p style="color:#999;background:#fff">grey</p>',
        '<div style="background:#000"><p style="color:rgb(90 90 90)">dark</p></div>',
        '<div style="background:rgb(0 0 0 / 0.4)"><p style="color:#555">through</p></div>',
    ],
)
def test_what_can_hardly_be_read_is_found(page: Page, inside: str) -> None:
    page.set_content(WELL.format(inside))
    assert len(low_contrast(page)) == 1


def test_what_is_wider_than_the_window_is_found(page: Page) -> None:
    page.set_content(WELL.format('<div style="width:900px">wide</div>'))
    assert len(overflows(page)) == 1


def test_what_is_cut_off_inside_its_table_is_found(page: Page) -> None:
    cut = '<div class="table-wrap" style="overflow-x:auto;width:300px"><p style="width:400px">wide</p></div>'
    page.set_content(WELL.format(cut))
    assert overflows(page) == ["table-wrap : 400 in 300"]
