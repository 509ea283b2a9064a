"""`catchwater demo`: copies an example, starts the systems it reads from, and runs it; nothing here is a mock."""

import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catchwater.errors import UseError
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.planning import open_project
from catchwater.runtimes.report import RunReport
from catchwater.wiring import Wiring

MARK = ".catchwater-demo"


@dataclass(frozen=True)
class Inputs:
    """What an example's `demo.py` yields from `inputs(folder)` while its systems run.

    `variables` are set for the project, `publish` are (topic, messages), `webhooks` are (source, deliveries of
    (headers, body)). `more(n)` makes new activity before pass n (from 2), or about every second under `up`.
    """

    variables: dict[str, str]
    publish: Sequence[tuple[str, list[bytes]]] = ()
    webhooks: Sequence[tuple[str, list[tuple[dict[str, str], bytes]]]] = ()
    more: Callable[[int], None] | None = None
    expect_quarantined: int = 0


def examples() -> Path:
    """The examples' folder: in the wheel, or beside `src` in a checkout."""
    package = Path(__file__).parent.parent
    shipped = package / "_examples"
    return shipped if shipped.is_dir() else package.parent.parent / "examples"


def copy(name: str, folder: Path) -> bool:
    """Put the example in `folder`; False when that demo is already there. Raises UseError for any other folder."""
    known = sorted(path.parent.name for path in examples().glob("*/catchwater.yml"))
    if name not in known:
        raise UseError(f"there is no example {name}", next_step=f"use one of: {', '.join(known)}")
    mark = folder / MARK
    if mark.is_file() and mark.read_text().strip() == name:
        return False
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UseError(f"{folder} exists and isn't this demo", next_step=f"catchwater demo {name} ANOTHER_FOLDER")
    ignore = shutil.ignore_patterns(".catchwater", "__pycache__", ".env")
    shutil.copytree(examples() / name, folder, ignore=ignore, dirs_exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    mark.write_text(f"{name}\n")
    return True


def module_of(name: str, folder: Path) -> Any:
    """The example's `demo.py` as a module of its own; its siblings can be imported while it loads."""
    spec = importlib.util.spec_from_file_location(f"catchwater_demo_{name}", folder / "demo.py")
    if spec is None or spec.loader is None or not (folder / "demo.py").is_file():
        raise UseError(f"{folder / 'demo.py'} is missing", next_step=f"rm -r {folder} and start the demo again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def _inputs(name: str, folder: Path) -> Any:
    return module_of(name, folder).inputs(folder)


class Demo:
    """An example with its systems running, for as long as the block lasts."""

    wiring: Wiring

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.fresh = copy(name, folder)
        self._stack = ExitStack()

    def __enter__(self) -> "Demo":
        try:
            self.inputs: Inputs = self._stack.enter_context(_inputs(self.name, self.folder.resolve()))
            variables = {**os.environ, **self.inputs.variables}
            self.wiring = open_project(self.folder, variables=variables)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def once(self, runtime: Runtime) -> dict[str, Any]:
        """The first complete pass: what came in, then run; then, if the example is alive, more and run again."""
        self._feed(runtime)
        reports = [runtime.run("demo")]
        if self.inputs.more is not None:
            self.inputs.more(2)
            reports.append(runtime.run("demo"))
        return self._result(runtime, reports)

    def _feed(self, runtime: Runtime) -> None:
        for topic, messages in self.inputs.publish:
            runtime.wiring.open_topic(runtime.plan, "serve:api", topic).publish(messages)
        for source, deliveries in self.inputs.webhooks:
            receiver = runtime.wiring.receiver(runtime.plan, source)
            for headers, body in deliveries:
                receiver.accept(headers, body)

    def _result(self, runtime: Runtime, reports: Sequence[RunReport]) -> dict[str, Any]:
        quarantined = sum(report.quarantined for report in reports)
        failed = any(report.state == "failed" for report in reports)
        expected = self.inputs.expect_quarantined if self.fresh else 0
        return {
            "demo": self.name,
            "folder": str(self.folder),
            "runs": [report.as_dict() for report in reports],
            "tables": _counts(runtime),
            "quarantined": quarantined,
            "expected_quarantined": expected,
            "exit": 1 if failed else 0 if quarantined == expected else 3,
        }

    def live(self, stopping: threading.Event) -> None:
        """Go on making activity, about every second, until told to stop."""
        number = 3
        while self.inputs.more is not None and not stopping.wait(1.0):
            self.inputs.more(number)
            number += 1


def _counts(runtime: Runtime) -> dict[str, int]:
    from catchwater.project.names import quote

    names = [name for model in runtime.plan.models for name in [model.name, *_current(model.name, model.history)]]
    with runtime.wiring.warehouse().read() as reading:
        there = {row[0] for row in reading.connection.execute("SHOW TABLES").fetchall()}
        return {name: _count(reading.connection, quote(name)) for name in names if name in there}


def _current(name: str, history: bool) -> list[str]:
    return [f"{name}_current"] if history else []


def _count(con: Any, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
