"""Files of batches read, checked and written anew before a warehouse takes them; nothing is loaded here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from catchwater.errors import AlreadyExists, WarehouseError
from catchwater.lake.manifest import Manifest
from catchwater.lake.read import KEYLESS_COLUMNS, KEYLESS_KEY, paths
from catchwater.plan.plan import Model
from catchwater.ports import Engine, LoadBatch, Preparing, Rewrite, Store
from catchwater.stages.inputs import held_columns


def rewrite(model: Model, source: Path, target: Path, where: str) -> Rewrite:
    """What is to become of one file of a model's batch."""
    columns = (*held_columns(model), *(() if model.key else KEYLESS_COLUMNS))
    return Rewrite(str(source), str(target), columns, model.key or KEYLESS_KEY, where)


def prepared(engine: Engine, batches: Sequence[LoadBatch], folder: Path) -> Sequence[LoadBatch]:
    """The batches with files that the engine has written anew; as they are where it doesn't do that, and those whose
    files other machines have prepared before."""
    if not isinstance(engine, Preparing):
        return batches
    made, work = [], []
    for batch in batches:
        files = []
        for number, file in enumerate(batch.files):
            target = folder / f"{batch.model.name}-{batch.seq}-{number}.parquet"
            work.append(rewrite(batch.model, file, target, f"processed/{batch.model.name} batch {batch.seq}"))
            files.append(target)
        made.append(replace(batch, files=tuple(files)))
    engine.rewrite(work)
    return made


def preparing(engine: Engine) -> Preparing:
    """The engine of a step that declares one which prepares files; raises WarehouseError for another."""
    if not isinstance(engine, Preparing):
        raise WarehouseError("this step's engine doesn't prepare files", next_step="steps: {load: {engine: beam}}")
    return engine


def staged_key(model: str, batch: str, number: int, shape: str) -> str:
    """Where a rewritten file of a batch lies: a key of its own for each shape of the model, so that it is made once."""
    return f"{model}/_staged/{shape[:16]}/{batch}-{number}.parquet"


def stage(store: Store, model: Model, manifest: Manifest, number: int, work: Path, engine: Preparing) -> str:
    """Rewrite one file of a batch and store it; the key. One that is there already was made from the same bytes."""
    key = staged_key(model.name, manifest.hash, number, model.shape)
    if store.head(key) is not None:
        return key
    source = paths(store, [manifest], model.name)[number]
    target = work / f"{manifest.hash}-{number}.parquet"
    engine.rewrite([rewrite(model, source, target, f"{manifest.log} batch {manifest.seq}")])
    try:
        store.upload(key, target)
    except AlreadyExists:
        return key
    finally:
        target.unlink(missing_ok=True)
    return key


def files_of(store: Store, model: Model, manifest: Manifest, held: Mapping[str, Sequence[str]]) -> tuple[Path, ...]:
    """The files of a batch: those that other machines have prepared, else those that were committed."""
    if manifest.hash in held:
        return tuple(store.fetch(key) for key in held[manifest.hash])
    return tuple(paths(store, [manifest], model.name))
