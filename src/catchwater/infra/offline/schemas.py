"""Provider schemas on demand: extracted from the wheels once, kept one file per type in the cache, never committed."""

import io
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from catchwater.errors import SchemaMissing
from catchwater.infra.offline import wheels
from catchwater.infra.offline.bindings import Binding, BindingUnread, Schema

EXTRACTOR = 1  # part of the cache's name: raise it when the extraction gives something else
_FILE = re.compile(r"package/lib/([^/]+)/index(-structs/\w+)?\.js")


def libraries(wheel: Path) -> Iterator[str]:
    """The text of each library of a wheel's bindings, its struct files before its index."""
    with zipfile.ZipFile(wheel) as whole:
        name = next(name for name in whole.namelist() if name.endswith(".jsii.tgz"))
        packed = io.BytesIO(whole.read(name))
    found: dict[str, dict[str, str]] = {}
    with tarfile.open(fileobj=packed) as archive:
        for member in archive:
            matched = _FILE.fullmatch(member.name)
            data = archive.extractfile(member) if matched else None
            if matched and data:
                text = data.read().decode().partition("\n//# sourceMappingURL")[0] + "\n"
                found.setdefault(matched[1], {})[matched[2] or ""] = text
    for _, parts in sorted(found.items()):
        yield "".join(text for _, text in sorted(parts.items(), reverse=True))


def extract(wheel: Path, folder: Path) -> None:
    """Writes `provider.json`, `resource_schemas/TYPE.json`, `data_source_schemas/TYPE.json` and `unread.json`."""
    unread: dict[str, str] = {}
    for kind in ("resource_schemas", "data_source_schemas"):
        (folder / kind).mkdir(parents=True)
    for text in libraries(wheel):
        binding = Binding.read(text)
        if binding is None:
            continue
        path = folder / ("provider.json" if binding.kind == "provider" else f"{binding.kind}/{binding.type}.json")
        try:
            path.write_text(json.dumps(binding.schema(), separators=(",", ":"), sort_keys=True))
        except BindingUnread as error:
            unread[f"{binding.kind}/{binding.type}"] = str(error)
    (folder / "unread.json").write_text(json.dumps(unread, sort_keys=True))


class Schemas:
    """The schemas of one provider, `aws` or `google`; `folder` is the cache."""

    def __init__(self, cloud: str, folder: Path | None = None) -> None:
        self.cloud = cloud
        self.wheel = wheels.WHEELS[cloud]
        self._cache = folder or wheels.cache()

    @cached_property
    def folder(self) -> Path:
        """Where the types of this wheel lie, extracted now if they are not there."""
        made = self._cache / f"{self.cloud}-{self.wheel.sha256[:16]}-{EXTRACTOR}"
        if made.exists():
            return made
        packed = wheels.fetch(self.cloud, self._cache)
        with wheels.alone(self._cache, f"schemas-{self.cloud}"):
            if not made.exists():
                half = made.with_suffix(".half")
                shutil.rmtree(half, ignore_errors=True)
                extract(packed, half)
                half.rename(made)
        return made

    def types(self, kind: str = "resource_schemas") -> set[str]:
        return {path.stem for path in (self.folder / kind).iterdir()}

    def schema(self, kind: str, name: str) -> Schema:
        path = self.folder / kind / f"{name}.json"
        if not path.exists():
            reason = json.loads((self.folder / "unread.json").read_text()).get(f"{kind}/{name}")
            said = f"its binding can't be read: {reason}" if reason else f"hashicorp/{self.cloud} has no such type"
            raise SchemaMissing(said, where=name)
        return dict(json.loads(path.read_text()))

    def document(self, types: Iterable[str] = ()) -> dict[str, Any]:
        """What `terraform providers schema -json` says of the types asked for: `aws_sqs_queue`, `data.aws_region`.

        A type that doesn't exist is left out: Terraform then says so itself, with file and line.
        """
        made: dict[str, Any] = {"resource_schemas": {}, "data_source_schemas": {}}
        made["provider"] = json.loads((self.folder / "provider.json").read_text())
        for name in sorted(set(types)):
            kind = "data_source_schemas" if name.startswith("data.") else "resource_schemas"
            plain = name.removeprefix("data.")
            if (self.folder / kind / f"{plain}.json").exists():
                made[kind][plain] = self.schema(kind, plain)
        return {"format_version": "1.0", "provider_schemas": {self.wheel.source: made}}
