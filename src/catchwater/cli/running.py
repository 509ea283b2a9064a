"""run, up, serve, demo, publish: what makes data move."""

import codecs
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catchwater.cli.options import Env, Json, ProjectFolder, emit
from catchwater.errors import MissingExtra, UseError

if TYPE_CHECKING:
    from catchwater.runtimes.local import Runtime
    from catchwater.runtimes.up import Loop
    from catchwater.wiring import Wiring

Port = Annotated[int, typer.Option("--port", help="Port of the API and the console; 0 takes a free one.")]
MAX_MESSAGE = 1 << 20
Host = Annotated[str, typer.Option("--host", help="Address to listen on; loopback unless told otherwise.")]


def _runtime(wiring: "Wiring", quiet: bool) -> "Runtime":
    from catchwater.cli.progress import Terminal
    from catchwater.runtimes.local import Runtime

    return Runtime(wiring, None if quiet else Terminal())


def run(project: ProjectFolder = Path(), env: Env = "local", as_json: Json = False) -> None:
    """Every stage until nothing is left to do, then exit (3: partly done, and it says what)."""
    from catchwater.cli.once import Asked, once

    raise typer.Exit(once(Asked(project, env, as_json)))


def up(project: ProjectFolder = Path(), env: Env = "local", host: Host = "127.0.0.1", port: Port = 8484) -> None:
    """The whole platform: schedules, topics, API and console, until Ctrl-C."""
    from catchwater.runtimes.planning import open_project

    wiring = open_project(project, env)
    hold_up(wiring, host, port, None)


def hold_up(wiring: "Wiring", host: str, port: int, beside: Any) -> None:
    """Run the loop and the API until a signal; `beside(stopping)` runs in a thread of its own."""
    from catchwater.cli import show
    from catchwater.runtimes.room import room
    from catchwater.runtimes.up import Loop, only_one

    with only_one(wiring.state), room(wiring.state):
        runtime = _runtime(wiring, False)
        runtime.serving = True

        def tell(report: Any) -> None:
            text = show.report(report, str(wiring.loaded.folder))
            if text:
                typer.echo(text)

        loop = Loop(runtime, tell)

        def ask(signum: int, frame: object) -> None:
            if loop.stopping.is_set():
                raise KeyboardInterrupt
            typer.echo("stopping after the step at hand; once more stops now")
            loop.stop()

        with _signals(ask), _listening(runtime, loop, host, port) as url:
            typer.echo(f"console  {url}/    API  {url}/v1/tables    stop with Ctrl-C")
            if beside is not None:
                threading.Thread(target=_beside, args=[beside, loop.stopping], daemon=True).start()
            try:
                loop.run()
            finally:
                loop.stop()
        typer.echo("stopped; everything committed is kept")
        wiring.close()


def _beside(act: Callable[[threading.Event], None], stopping: threading.Event) -> None:
    """What goes on beside the loop; its end, wanted or not, isn't the loop's."""
    try:
        act(stopping)
    except Exception:
        if not stopping.is_set():
            logging.getLogger("catchwater").exception("the demo makes no more activity")


@contextmanager
def _signals(act: Callable[[int, Any], object]) -> Iterator[None]:
    """SIGTERM and what Ctrl-C sends call `act` for as long as the block lasts."""
    before = {each: signal.signal(each, act) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, held in before.items():
            signal.signal(each, held)


@contextmanager
def _listening(runtime: "Runtime", loop: "Loop | None", host: str, port: int) -> Iterator[str]:
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("uvicorn", "api") from error
    from catchwater.runtimes.current import Current
    from catchwater.runtimes.operations import LocalOperations
    from catchwater.runtimes.sockets import bind
    from catchwater.serve.access import Access, Keys
    from catchwater.serve.api import create_app

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    listener, loopback = bind(host, port)
    wiring = runtime.wiring
    free = loopback and runtime.plan.environment == "local"
    access = Access(runtime.plan, Keys(wiring.state / "keys.json"), open_on_loopback=free)
    api = next((step for step in runtime.plan.steps if step.name == "serve:api"), None)
    step = api or runtime.plan.step("serve:console")
    ports = wiring.open(runtime.plan, step)
    assert ports.warehouse is not None  # noqa: S101 (a serve step is opened with its warehouse)
    warehouse, operations = ports.warehouse, LocalOperations(runtime, loop)
    application = Current(runtime, lambda plan: create_app(plan, warehouse, operations, access, loopback))
    config = uvicorn.Config(application, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield "http://{}:{}".format(*listener.getsockname()[:2])
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def serve(project: ProjectFolder = Path(), env: Env = "local", host: Host = "127.0.0.1", port: Port = 8484) -> None:
    """The API and the console alone, on the warehouse as last published."""
    from catchwater.runtimes.local import Runtime
    from catchwater.runtimes.planning import open_project

    runtime = Runtime(open_project(project, env), serves=True)
    stopping = threading.Event()
    with _signals(lambda *_: stopping.set()), _listening(runtime, None, host, port) as url:
        typer.echo(f"console  {url}/    API  {url}/v1/tables    stop with Ctrl-C")
        stopping.wait()
    runtime.wiring.close()


def publish(
    topic: Annotated[str, typer.Argument(help="The topic's name.")],
    file: Annotated[str, typer.Argument(help="One JSON message a line; - reads standard input.")] = "-",
    project: ProjectFolder = Path(),
    message: Annotated[list[str] | None, typer.Option("--message", "-m", help="A message; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Publish messages; returns when they are on disk."""
    from catchwater.runtimes.planning import open_project

    wiring = open_project(project, again=True)
    declared = wiring.loaded.project.sources.get(topic)
    if declared is None or declared.kind != "topic":
        known = [name for name, source in wiring.loaded.project.sources.items() if source.kind == "topic"]
        raise UseError(f"{topic} is no topic of this project", next_step=f"use one of: {', '.join(known) or 'none'}")
    lines = [text.encode() for text in message] if message else _lines(file)
    count = wiring.topic(topic).publish(lines)
    emit({"topic": topic, "published": count}) if as_json else typer.echo(f"{topic}: {count} messages on disk")


def _lines(file: str) -> list[bytes]:
    """The lines that aren't empty; raises UseError by line for one that no topic takes, before any is published."""
    data = sys.stdin.buffer.read() if file == "-" else _bytes(file)
    lines = []
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        if len(line) > MAX_MESSAGE:
            raise UseError(
                f"line {number} has {len(line):,} bytes, {MAX_MESSAGE:,} are the most",
                where="standard input" if file == "-" else file,
                next_step="publish what it refers to elsewhere, and its address here; nothing was published",
            )
        if line.strip():
            lines.append(line.removesuffix(b"\r"))
    return lines


def _bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UseError(f"{file} can't be read: {error.strerror}") from error


def demo(
    name: Annotated[str, typer.Argument(help="totesys, github_activity, events, open_data or shop.")],
    folder: Annotated[Path | None, typer.Argument(help="Where to put it.", metavar="[DIR]")] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the first complete pass.")] = False,
    port: Port = 8484,
    as_json: Json = False,
) -> None:
    """An example, whole, on real servers of its own: the database, the files, the messages, the mail."""
    from catchwater.cli import show
    from catchwater.runtimes.demo import Demo

    target = folder or Path(f"catchwater-{name}")
    going_on = not (once or as_json) and sys.stdout.isatty()
    with _signals(_interrupt), Demo(name, target) as shown:
        if not as_json:
            typer.echo(f"{target}: the example {name}; its servers run for as long as this command")
        runtime = _runtime(shown.wiring, as_json)
        result = shown.once(runtime)
        if as_json:
            emit(result)
        else:
            typer.echo(show.demo(result))
        if going_on:
            hold_up(shown.wiring, "127.0.0.1", port, shown.live)
        shown.wiring.close()
    raise typer.Exit(result["exit"])


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt  # the servers of a demo end with it, whoever ends it


COMMANDS = {"run": run, "up": up, "serve": serve, "demo": demo, "publish": publish}
