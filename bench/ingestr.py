"""ingestr, from the last wheel that carries its binary, made to find a DuckDB without a download.

It asks the network for DuckDB's ADBC driver. The library of DuckDB's Python package is one, and loads where Python's
own library is there already; so that is preloaded, and a driver's manifest names it.
"""

import subprocess
import sys
from pathlib import Path

_ASK = (
    "import _duckdb, duckdb, sysconfig; print(_duckdb.__file__); print(duckdb.__version__); "
    "print(sysconfig.get_config_var('LIBDIR') + '/' + sysconfig.get_config_var('LDLIBRARY'))"
)


class Ingestr:
    """The command line of one sync; `missing` says why there is none."""

    def __init__(self, peers: Path, home: Path) -> None:
        self.binary = peers / "bin" / "ingestr"
        asked = subprocess.run([str(peers / "bin" / "python"), "-c", _ASK], capture_output=True, text=True, check=True)
        driver, version, python = asked.stdout.split()
        self.env = {"HOME": str(home), "LD_PRELOAD": python, "INGESTR_DISABLE_TELEMETRY": "true"}
        self.missing = ""
        if sys.platform != "linux" or not python.endswith(".so") or not Path(python).exists():
            self.missing = "ingestr isn't run: this Python has no shared library"
        manifest = home / ".config" / "adbc" / "drivers" / "duckdb.toml"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(
            f'name = "duckdb"\nversion = "{version}"\n[ADBC]\nversion = "1.1.0"\n[Driver]\n'
            f'entrypoint = "duckdb_adbc_init"\n[Driver.shared]\nlinux_amd64 = "{driver}"\n'
        )

    def command(self, url: str, table: str, target: Path, *more: str) -> list[str]:
        return [
            str(self.binary), "ingest", "--yes", "--progress", "log",
            "--source-uri", f"{url}?sslmode=disable", "--source-table", f"public.{table}",
            "--dest-uri", f"duckdb:///{target}", "--dest-table", f"main.{table}", *more,
        ]  # fmt: skip
