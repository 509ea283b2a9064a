"""The fast reader of CSV against the one that reads line by line: where the fast one is content, both agree."""

import random
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources import csv_table
from catchwater.adapters.sources.scratch import scratch
from catchwater.errors import SourceRefused
from catchwater.project.declared_files import FileShape
from catchwater.project.tables import Column, TableSchema

PARTS = [
    b"a",
    b",",
    b",",
    b'"',
    b'"',
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\xc3\xa4",
    b"\xff",
    b"\\",
    b"#",
]
QUIET = [  # what DuckDB reads without a word, each a row less, a field less or a character less
    b'"', b"z,,\n", b'1,"2\n5,6\n', b'x,y\n"z,w', b"\r ,x\n", b'"y" ,,\r\nz,\r', b"x,y\rz,w\n", b'1,"a\rb"\n2,c\n',
    b'\\,"\n"\\\n', b'"a" b,c\n', b" ,\n\n \n", b'"",""\n,\n',
]  # fmt: skip


def read(folder: Path, data: bytes, width: int) -> Any:
    path = folder / "file"
    path.write_bytes(data)
    columns = tuple(Column(name, "VARCHAR") for name in "abc"[:width])
    with scratch(folder / "work") as con:
        try:
            loaded = csv_table.load(con, path, FileShape(TableSchema("t", columns)), "f")
        except SourceRefused as error:
            return str(error)
        rows = con.execute(f"SELECT * FROM {csv_table.ROWS} ORDER BY ALL").fetchall()
        assert path.read_bytes() == data
        return rows, loaded.records, [(each.where, each.reason) for each in loaded.refused]


def agree(folder: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, width: int) -> None:
    data = b",".join([b"a", b"b", b"c"][:width]) + b"\n" + body
    fast = read(folder, data, width)
    with monkeypatch.context() as patch:
        patch.setattr(csv_table, "_read_whole", lambda *_: False)
        assert fast == read(folder, data, width), data


@pytest.mark.parametrize("body", QUIET)
def test_nothing_is_dropped_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    agree(tmp_path, monkeypatch, body, 2)


@pytest.mark.parametrize("seed", range(3))
def test_any_text_is_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        agree(tmp_path, monkeypatch, b"".join(chance.choices(PARTS, k=chance.randrange(30))), seed + 1)
        fields = [
            chance.choice([b'"x ""y"""', b"z", b"", b' "x" ', b'"a\nb"', b"\xc3\xa4"]) for _ in range(4 * (seed + 1))
        ]
        rows = [b",".join(fields[at : at + seed + 1]) for at in range(0, len(fields), seed + 1)]
        agree(tmp_path, monkeypatch, chance.choice([b"\n", b"\r\n"]).join(rows), seed + 1)
