"""Spark: computes a model's SELECT on many machines, from Parquet files to Parquet files; nothing is committed here.

On Glue the session is there already; elsewhere one is started on this machine. The driver's own SQL stays DuckDB's.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.engines.duckdb import DuckdbEngine
from catchwater.adapters.engines.spark_relations import create_relation, unfit
from catchwater.errors import MissingExtra, ModelFailed, ProjectError, UseError
from catchwater.ports import Relation, Selection, Settings
from catchwater.project import portable
from catchwater.project.portable import named
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import SparkSession

_ALIKE = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow fails, as in DuckDB, and doesn't wrap
    "spark.sql.storeAssignmentPolicy": "ANSI",
    "spark.sql.caseSensitive": "false",
    "spark.sql.groupByAliases": "false",
    "spark.sql.json.enablePartialResults": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.parquet.mergeSchema": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
}


class SparkEngine:
    """Engine and Distributed over one Spark session per process; each selection has its own names in it."""

    def __init__(self, name: str, spec: object, settings: Settings) -> None:
        self.name, self.spec, self.settings = name, spec, settings
        self._driver = DuckdbEngine(name, spec, settings)

    def describe(self, sql: str, tables: Mapping[str, Sequence[Column]], macros: str = "") -> tuple[Column, ...]:
        return self._driver.describe(sql, tables, macros)

    def connect(self, *, roomy: bool = False) -> "duckdb.DuckDBPyConnection":
        return self._driver.connect(roomy=roomy)

    @property
    def remote(self) -> bool:
        return not str(self._session().sparkContext.master).startswith("local")

    def unfit(self, selection: Selection) -> str:
        return next((reason for relation in selection.relations if (reason := unfit(relation))), "")

    def select(self, selection: Selection, place: str) -> None:
        """See ports.Distributed. Raises ModelFailed with Spark's first line, and with the line of the SELECT for
        what isn't computed alike."""
        views = [translated(selection, relation) for relation in selection.relations if relation.rows == "view"]
        sql = translated(selection)
        session = self._session().newSession()
        for name, value in _ALIKE.items():
            session.conf.set(name, value)
        with _errors():
            for number, relation in enumerate(selection.relations):
                if relation.rows == "view":
                    session.sql(views.pop(0)).createOrReplaceTempView(named(relation.alias))
                    continue
                create_relation(session, relation, number)
                if relation.exact and relation.pieces:
                    texts = f"SELECT _exact FROM {named(f'exact {number}')} WHERE _exact IS NOT NULL"
                    _write(session, texts, f"{place}/exact-{number}")
            _write(session, sql, f"{place}/rows")

    def _session(self) -> "SparkSession":
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise MissingExtra("pyspark", "spark") from error
        builder = SparkSession.builder.appName("catchwater")
        if "PYSPARK_GATEWAY_PORT" not in self.settings.variables:  # else spark-submit has said where it runs
            require_java(self.settings.variables)
            scratch = self.settings.state / "tmp" / "spark"
            scratch.mkdir(parents=True, exist_ok=True)
            settings = _LOCAL | {
                "spark.local.dir": str(scratch),
                "spark.sql.warehouse.dir": str(scratch),
                "spark.driver.extraJavaOptions": f"-Dderby.system.home={scratch} -Djava.io.tmpdir={scratch}",
            }
            for name, value in settings.items():
                builder = builder.config(name, value)
            builder = builder.master("local[2]")
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # the JVM's own name for this machine
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")  # what fails is raised
        return session


def require_java(variables: Mapping[str, str]) -> None:
    """Raises UseError with the line that installs it."""
    home = variables.get("JAVA_HOME")
    if not shutil.which("java") and not (home and (Path(home) / "bin" / "java").is_file()):
        raise UseError("Spark needs Java 17", next_step="apt install default-jre-headless, or JAVA_HOME=/path")


def translated(selection: Selection, view: Relation | None = None) -> str:
    """The selection, or a view that it reads, in Spark's SQL; ModelFailed for what isn't computed alike."""
    tables = {relation.alias: relation.columns for relation in selection.relations}
    sql, macros = (view.sql, view.macros) if view else (selection.sql, selection.macros)
    try:
        return portable.spark(sql, tables, macros)
    except ProjectError as error:
        first = error.problems[0]
        raise ModelFailed(
            f"line {first.line} of the SELECT: {first.message}", where="#spark", next_step=first.right
        ) from error


def _write(session: "SparkSession", sql: str, place: str) -> None:
    session.sql(sql).write.mode("error").option("compression", "zstd").parquet(place)


@contextmanager
def _errors() -> Iterator[None]:
    """Spark's errors by their first line; a cause inside a task is told instead of the job that it ended."""
    from pyspark.errors import PySparkException

    java: type[Exception] = import_module("py4j.protocol").Py4JError
    try:
        yield
    except (PySparkException, java) as error:
        raise ModelFailed(
            f"Spark: {_first(str(error))}", where="#spark", next_step="correct the SELECT, or set engine: duckdb"
        ) from error


def _first(text: str) -> str:
    """The innermost cause, else the first line."""
    causes = re.findall(r"Caused by: [\w.$]+: (.+)", text)
    return str(causes[-1] if causes else text.strip().splitlines()[0])[:500]
