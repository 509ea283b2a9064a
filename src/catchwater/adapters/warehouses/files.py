"""How a DuckDB warehouse file is opened, and what DuckDB's refusals mean; no table is known here."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.memory import MOST, limit
from catchwater.errors import WarehouseBusy, WarehouseError

if TYPE_CHECKING:
    import duckdb

ALIAS = "warehouse"
STORAGE = "v1.3.0"  # DuckDB 1.3 and newer read it; text is packed with a fifth less work than in the first format
_KEPT = "16MB"  # of what was let go is kept for later; else wide rows leave hundreds
_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"
_HELD = re.compile(r"Could not set lock|Conflicting lock|Unique file handle conflict|already attached")
_PID = re.compile(r"\(PID (\d+)\)")
_OUTSIDE = re.compile(
    r"Permission denied|No space left|Too many open files|Cannot open file|Out of Memory|failed to (?:allocate|pin)"
    r"|Read-only file system|is a directory|Input/output error",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"checksum|corrupt|has been invalidated|INTERNAL Error|not a valid DuckDB|Could not read enough bytes",
    re.IGNORECASE,
)


def connect(folder: Path, memory: str) -> "duckdb.DuckDBPyConnection":
    """An instance in memory that loads nothing from outside and spills beside the files."""
    import duckdb

    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": memory,
        "temp_directory": str(folder / "tmp"),
    }
    con = duckdb.connect(config=config)
    con.execute("SET TimeZone = 'UTC'")
    return con


def attach(path: Path, memory: str, *, write: bool) -> "duckdb.DuckDBPyConnection":
    """The file as `warehouse`; for readers all else outside is shut for good.

    Raises DuckDB's own errors.
    """
    from catchwater.project.names import literal

    con = connect(path.parent, memory)
    try:
        made = f", STORAGE_VERSION '{STORAGE}'" if write and not path.exists() else ""
        access = f"READ_WRITE{made}" if write else "READ_ONLY"
        con.execute(f"ATTACH {literal(str(path))} AS {ALIAS} ({access})")
        if write:
            con.execute(f"USE {ALIAS}")
            con.execute("SET preserve_insertion_order = false")  # in little memory an order has one thread write
            for name in ("allocator_flush_threshold", "allocator_bulk_deallocation_flush_threshold"):
                con.execute(f"SET {name} = '{_KEPT}'")
        else:
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")
    except BaseException:
        con.close()
        raise
    return con


def is_whole(con: "duckdb.DuckDBPyConnection", path: Path) -> bool:
    """Whether the file has room for all blocks in use; free ones at its end are cut off, though its header counts
    them. DuckDB itself notices what is missing only when it needs it."""
    found = con.execute(
        "SELECT block_size * used_blocks FROM pragma_database_size() WHERE database_name = ?", [ALIAS]
    ).fetchone()
    return found is None or path.stat().st_size >= found[0]


def is_held(error: Exception) -> bool:
    """Somebody else has the file open."""
    return bool(_HELD.search(str(error)))


def is_outside(error: Exception) -> bool:
    """The disk, rights or memory failed, not the file."""
    return bool(_OUTSIDE.search(str(error)))


def is_broken(error: BaseException) -> bool:
    """What DuckDB says of a file with wrong bytes in it, once it is open."""
    return bool(_BROKEN.search(str(error)))


def busy(path: Path, error: Exception | None, patience: float) -> WarehouseBusy:
    found = _PID.search(str(error))
    who = f"process {found[1]}" if found else "a reader of this process" if error is None else "another process"
    return WarehouseBusy(
        f"{who} has held the file for {patience:g} s; the last version stays published",
        where=str(path),
        next_step="end that process or let it finish, then catchwater run",
    )


def give_room(con: "duckdb.DuckDBPyConnection") -> None:
    """As much memory as one load may have at all, for the rest of it."""
    con.execute(f"SET memory_limit = '{limit(MOST)}B'")


def leave(con: "duckdb.DuckDBPyConnection", path: Path) -> None:
    """Write all that was done into the file, and end with it. Raises WarehouseError, as of a full disk."""
    import duckdb

    try:
        con.execute(f"USE memory; CHECKPOINT {ALIAS}; DETACH {ALIAS}")
    except duckdb.Error as error:
        raise failed(path, error) from error


def failed(path: Path, error: Exception) -> WarehouseError:
    return WarehouseError(str(error), where=str(path), next_step="catchwater run")


def begin_with(front: Path, back: Path) -> None:
    """The file of readers copied to where there is none, which is as good as all batches again and costs the disk
    only; not where a file was set aside, for what was wrong with one may be wrong with the other.

    By a process of its own: closing the file in this one would drop DuckDB's locks on it.
    """
    import subprocess
    import sys

    if any(back.parent.glob(f"{back.name}*")) or any(back.parent.glob("*.corrupt-*")):
        return
    part = back.with_name(f"{back.name}.part")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _COPY, str(front), str(part)], capture_output=True)
    if done.returncode == 0:
        part.replace(back)
    else:
        part.unlink(missing_ok=True)  # the batches are all there still


def set_aside(path: Path) -> str:
    """Rename a file that can't be opened, and its write-ahead log; returns what was done, in words."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    for name in (path, path.with_name(path.name + ".wal")):
        if name.exists():
            name.rename(name.with_name(f"{name.name}.corrupt-{stamp}"))
    return f"{path.name} couldn't be opened and was set aside as {path.name}.corrupt-{stamp}; it is made anew"
