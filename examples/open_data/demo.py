"""The open data demo: a CSV file behind a real web server, and a second edition of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catchwater.runtimes.demo import Inputs
from catchwater.runtimes.embedded_files import FileServer

BAD_FIRST, BAD_SECOND = 5, 6
GONE = (b"00V,", b"01G,", b"04M,")
MOVED = {b"06C,": b"42.0", b"06D,": b"48.5", b"06M,": b"34.0", b"06N,": b"41.5"}
NEW = (
    b"ZA1,New Harbour,Port Isle,AK,USA,59.25,-151.5\n",
    b'ZA2,"Two Rivers, South",Two Rivers,AK,USA,64.75,-147.0\n',
)
GARBLED = b"ABQ,"


def second(first: bytes) -> bytes:
    """The next edition: three stations closed, four measured again, two opened, one line broken in a new place."""
    lines = []
    for line in first.splitlines(keepends=True):
        code = line[: line.find(b",") + 1]
        if code in GONE:
            continue
        if code in MOVED:
            fields = line.rstrip(b"\n").split(b",")
            line = b",".join([*fields[:-2], MOVED[code], fields[-1]]) + b"\n"
        if code == GARBLED:
            line = line.replace(b"35.", b"35,", 1)
        lines.append(line)
    return b"".join([*lines, *NEW])


@contextmanager
def inputs(folder: Path) -> Iterator[Inputs]:
    served = folder / "served"
    served.mkdir(exist_ok=True)
    file = served / "stations.csv"
    resumed = file.exists()
    if not resumed:
        file.write_bytes((folder / "data" / "stations.csv").read_bytes())

    def more(number: int) -> None:
        if number == 2 and not resumed:
            fresh = file.with_suffix(".new")
            fresh.write_bytes(second(file.read_bytes()))
            fresh.replace(file)

    with FileServer(served) as server:
        yield Inputs({"STATIONS_URL": server.url("stations.csv")}, more=more, expect_quarantined=BAD_FIRST + BAD_SECOND)
