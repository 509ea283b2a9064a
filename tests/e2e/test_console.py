"""The console in a real browser: it needs no script, escapes everything and shows what fails."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import totesys
from tests.support.serving import Runtime, Served, serving

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = totesys.house()
    runtime = Runtime(said=totesys.status(), past=totesys.runs())
    with serving(totesys.project(made), made, tmp_path_factory.mktemp("console"), runtime=runtime) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium here: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_whole_without_a_script(served: Served, browser: Any, tmp_path: Path, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(f"http://127.0.0.1:{served.port}/")
    assert page.title() == "totesys · Catchwater"
    assert page.locator("svg.lineage g.table").count() == 11
    assert page.locator("svg.lineage g.model").count() == 11
    assert page.locator("svg.lineage g.failing").count() == 1
    assert "<b>'n/a'</b>" in page.locator("#failures").inner_text()
    assert page.locator("#failures b").count() == 0
    assert page.locator("#runs tbody tr").count() >= 10
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert complaints == []
    shot = page.screenshot(path=tmp_path / "console.png", full_page=True)
    assert len(shot) > 20_000
    page.close()
