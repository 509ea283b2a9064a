"""A small project over one topic, for tests that need something to run."""

from pathlib import Path

PROJECT = """project: pings
sources:
  pings: {kind: topic, schema: schemas/ping.json, key: [id]}
serve:
  api: {tables: all}
"""
SCHEMA = """{"type": "object", "required": ["id"], "properties": {
  "id": {"type": "integer"}, "note": {"type": "string"}}}
"""
MODEL = """/*---
description: Every ping, newest version.
key: [id]
---*/
SELECT id, note FROM pings
"""


def write(folder: Path, project: str = PROJECT) -> Path:
    (folder / "models").mkdir(parents=True)
    (folder / "schemas").mkdir()
    (folder / "catchwater.yml").write_text(project)
    (folder / "schemas" / "ping.json").write_text(SCHEMA)
    (folder / "models" / "pings.sql").write_text(MODEL)
    return folder
