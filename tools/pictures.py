"""Draws docs/pictures from what the commands really print and the console really shows.

Usage: python tools/pictures.py [--console]; the console's picture needs Debian's chromium.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from catchwater.runtimes.demo import Demo
from catchwater.runtimes.local import Runtime

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
OURS = str(Path(sys.executable).parent / "catchwater")
GREY, LIGHT, GREEN = (139, 148, 158), (201, 209, 217), (86, 211, 100)
THEME = TerminalTheme((22, 27, 34), LIGHT, [GREY, GREY, GREEN, *[GREY] * 5], [LIGHT, LIGHT, GREEN, *[LIGHT] * 5])
# Rich's own frame loads a font from the net; this one names fonts that are there.
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 width="{width}" height="{height}">
<style>.{unique_id}-matrix {{font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px;
 line-height: {line_height}px; font-variant-east-asian: full-width}}
{styles}</style>
<rect width="100%" height="100%" rx="8" fill="#161b22"/>
<defs>{lines}</defs>
<g transform="translate({terminal_x}, {terminal_y})">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def draw(name: str, sessions: list[tuple[str, str]]) -> None:
    """One picture of commands and what they printed."""
    text = Text()
    for command, output in sessions:
        text.append("$ ", style="bold green")
        text.append(f"{command}\n", style="bold")
        text.append(output.rstrip("\n") + "\n\n")
    text.rstrip()
    width = max([60, *(len(line) for line in text.plain.splitlines())]) + 1
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=min(width, 130), file=nowhere, force_terminal=True)
        console.print(text, highlight=False)
        PICTURES.mkdir(parents=True, exist_ok=True)
        console.save_svg(str(PICTURES / f"{name}.svg"), theme=THEME, code_format=FRAME, unique_id=name)
    print(f"docs/pictures/{name}.svg")


def shown(folder: Path, env: dict[str, str], *arguments: str) -> tuple[str, str]:
    """A command and its output, in the project's folder."""
    done = subprocess.run([OURS, *arguments], cwd=folder, env=env, capture_output=True, text=True)
    words = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    said = re.sub(r"postgres(ql)?://\S+", "postgres://…", done.stdout + done.stderr)
    return f"catchwater {words}", said + (f"exit {done.returncode}\n" if done.returncode else "")


def capped(session: tuple[str, str], lines: int) -> tuple[str, str]:
    kept = session[1].splitlines()
    more = [f"… {len(kept) - lines} more lines"] if len(kept) > lines else []
    return session[0], "\n".join([*kept[:lines], *more]) + "\n"


def totesys(home: Path, console: bool) -> None:
    with Demo("totesys", home / "totesys") as demo:
        folder = demo.folder
        env = {**os.environ, **demo.inputs.variables, "COLUMNS": "110"}
        url = demo.inputs.variables["TOTESYS_URL"]
        draw("check-and-plan", [shown(folder, env, "check"), capped(shown(folder, env, "plan"), 40)])
        runs = [shown(folder, env, "run")]
        assert demo.inputs.more is not None
        demo.inputs.more(2)
        runs.append(shown(folder, env, "run"))
        runs.append(shown(folder, env, "run"))
        draw("run", runs)
        query = "select country, count(*) orders, sum(units_sold * unit_price) revenue from fact_sales_order_current "
        query += "join dim_location on agreed_delivery_location_id = location_id group by 1 order by 2 desc limit 5"
        draw("query", [shown(folder, env, "query", query), shown(folder, env, "status")])
        looks = [shown(folder, env, "runs"), shown(folder, env, "runs", "2"), capped(shown(folder, env, "logs"), 12)]
        draw("runs", [*looks, shown(folder, env, "verify"), shown(folder, env, "alerts")])
        fresh = home / "fresh"
        fresh.mkdir()
        begun = [shown(fresh, env, "init", "back_office", "--url", url)]
        draw("init", [*begun, shown(fresh, env, "run", "back_office")])
        if console:
            runtime = Runtime(demo.wiring)
            demo.once(runtime)
            demo.wiring.close()
            screenshot(folder, env, "console")
    down = shown(folder, env, "run"), shown(folder, env, "query", "select count(*) from fact_sales_order")
    draw("source-down", list(down))


def mistakes(home: Path) -> None:
    """A project with everything wrong at once, and what check says of it."""
    folder = home / "wrong"
    (folder / "models").mkdir(parents=True)
    (folder / "catchwater.yml").write_text(
        "project: wrong\nsources:\n  shop: {kind: postgress, url: x}\n  pings: {kind: topic, schema: ping.json}\n"
        "promise: {freshness: soon}\nenvironments:\n  dev:\n    aws: {region: eu-west-2, account: 012345678901}\n"
    )
    draw("mistakes", [shown(folder, dict(os.environ), "check")])


def others(home: Path) -> None:
    sessions = [shown(home, dict(os.environ), "demo", name, "--once") for name in ("events", "open_data")]
    draw("demos", sessions)
    sessions = [shown(home, dict(os.environ), "demo", name, "--once") for name in ("github_activity", "shop")]
    sessions.append(shown(home / "catchwater-shop", dict(os.environ), "--help"))
    draw("demos-more", sessions)


def screenshot(folder: Path, env: dict[str, str], name: str) -> None:
    """The console as chromium shows it, light and dark."""
    from playwright.sync_api import sync_playwright

    server = subprocess.Popen(
        [OURS, "up", "--port", "0"], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout
    try:
        url = next(match[0] for line in server.stdout if (match := re.search(r"http://[\d.:]+", line)))
        threading.Thread(target=server.stdout.read, daemon=True).start()
        _loaded(url)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
                page.goto(url)
                page.screenshot(path=PICTURES / f"{name}-{scheme}.png", full_page=True)
                print(f"docs/pictures/{name}-{scheme}.png")
            browser.close()
    finally:
        server.terminate()
        server.wait(30)


def _loaded(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}/v1/runs") as answer:  # nosec B310
            if b'"running"' not in answer.read():
                return
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--console", action="store_true", help="also the console, in chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        totesys(Path(home), options.console)
        mistakes(Path(home))
        others(Path(home))


if __name__ == "__main__":
    main()
