"""A Dataflow job: a Beam pipeline around one load step; its machines prepare files, one of them loads.

A flex template's launcher can't wait for the job that it launches, so that the load is the pipeline's last part. It may
run twice, as any part of a pipeline: the warehouse's markers make the second time a no-op.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from catchwater.errors import CatchwaterError, MissingExtra
from catchwater.runtimes.deployed import Deployed, answer, open_deployed, say
from catchwater.runtimes.glue import settings
from catchwater.stages.prepared import preparing, stage
from catchwater.stages.waiting import waiting
from catchwater.wiring import Places

Environ = Mapping[str, str]
Staged = tuple[str, int, str]  # the batch's hash, the file's place in it, its key


def metadata(names: Sequence[str]) -> dict[str, Any]:
    """What the flex template says of itself; `names` are the variables that the launcher passes."""
    parameters = [
        {"name": name, "label": name, "helpText": f"Set as {name} on every machine.", "isOptional": False}
        for name in sorted(names)
    ]
    return {"name": "catchwater", "description": "Loads a warehouse from the processed zone.", "parameters": parameters}


def main(argv: Sequence[str], environ: MutableMapping[str, str] | None = None) -> int:
    """`--CATCHWATER_STEP=x …` and Beam's own options (`--runner`, `--project`, `--temp_location`, …). On a runner that
    is waited for, the exit code is 1 when the load failed."""
    environ = os.environ if environ is None else environ
    given, options = divided(argv)
    environ.update(given)
    wanted = ("CATCHWATER_", *_ASKED)
    named = {name: value for name, value in environ.items() if name in given or name.startswith(wanted)}
    try:
        launch(named, options).wait_until_finish()
    except MissingExtra:
        raise
    except Exception as error:  # what a machine raised, in Beam's wrapping
        say("error", str(error).strip()[-2000:])  # its last lines say what it was
        return 1
    return 0


_ASKED = ("GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST", "SECRETMANAGER_ENDPOINT")


def divided(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Our settings, in capitals as variables are, and the options of Beam."""
    ours: list[str] = []
    beam: list[str] = []
    into = beam
    for word in argv:
        if word.startswith("--"):
            name = word[2:].partition("=")[0]
            into = ours if name == name.upper() else beam
        into.append(word)
    return settings(ours), beam


def launch(environ: Environ, options: Sequence[str]) -> Any:
    """The pipeline, handed to its runner. `environ` holds settings, never a secret: it is part of the graph."""
    try:
        beam: Any = import_module("apache_beam")
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise MissingExtra("apache-beam", "beam") from error
    pipeline = beam.Pipeline(options=PipelineOptions(list(options), save_main_session=False))
    held = dict(environ)
    files = pipeline | "the step" >> beam.Create([held]) | "what waits" >> beam.FlatMap(found)
    staged = files | "spread" >> beam.Reshuffle() | "read, cast, check, write" >> beam.Map(prepared, held)
    gathered = staged | "together" >> beam.combiners.ToList()
    _ = gathered | "load" >> beam.Map(loaded, held)
    return pipeline.run()


def found(environ: Environ) -> Iterator[tuple[str, int, int]]:
    """The files that the load will take: model, number of the batch, place in it."""
    deployed = open_deployed(environ)
    try:
        ports = deployed.wiring.open(deployed.plan, deployed.step)
        for batch in waiting(ports, deployed.plan, deployed.step):
            yield from ((batch.model, batch.seq, number) for number in range(batch.files))
    finally:
        deployed.wiring.close()


def prepared(item: tuple[str, int, int], environ: Environ) -> Staged:
    """One file read, cast, checked and stored anew beside its log."""
    from catchwater.lake.log import Log

    model, seq, number = item
    deployed = open_deployed(environ)
    try:
        ports = deployed.wiring.open(deployed.plan, deployed.step)
        store = ports.stores["processed"]
        manifest = Log(store, f"processed/{model}").read(seq)
        with tempfile.TemporaryDirectory(prefix="catchwater-") as folder:
            key = stage(store, deployed.plan.model(model), manifest, number, Path(folder), preparing(ports.engine))
        return manifest.hash, number, key
    finally:
        deployed.wiring.close()


def loaded(staged: Sequence[Staged], environ: Environ) -> None:
    """The load step, which takes the files as they were prepared. Raises CatchwaterError when it failed."""
    keys: dict[str, list[str]] = {}
    for batch, _, key in sorted(staged):
        keys.setdefault(batch, []).append(key)
    deployed = open_deployed(environ)
    places = deployed.wiring.places or Places({}, "", Path())
    alone = replace(places, engines={"load": "duckdb"}, prepared=keys)
    report = answer(_with(deployed, alone), "schedule", deployed.step.timeout, lambda: None)
    if report.state == "failed":
        said = next((f.message for outcome in report.outcomes for f in outcome.failures), "the load failed")
        raise CatchwaterError(said, where=deployed.step.name)


def _with(deployed: Deployed, places: Places) -> Deployed:
    return replace(deployed, wiring=replace(deployed.wiring, places=places))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
