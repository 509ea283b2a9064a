"""How runs, statuses and rows look in a terminal; text out of plain data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from catchwater.runtimes.report import RunReport
from catchwater.stages.outcome import Outcome

HELD_BACK = 600  # seconds after which a position that doesn't move is worth a word


def outcome(done: Outcome) -> str:
    """One step, one line: `ingest   totesys  11 tables  48,210 read  1.9 s`."""
    stage, _, what = done.step.partition(":")
    parts = [f"{stage:<9}{what}", *_numbers(done), f"{done.seconds:.1f} s"]
    text = "  ".join(parts)
    notes = "".join(f"\n{'':<9}{note}" for note in done.notes)
    failures = "".join(f"\n{'failed':<9}{_indent(failure.message)}" for failure in done.failures)
    return text + notes + failures


def _numbers(done: Outcome) -> list[str]:
    if done.failed and not done.moved:
        return ["failed"]
    if done.stage == "load":
        return [f"+{done.added:,} ~{done.changed:,} -{done.removed:,}"] if done.moved else ["nothing new"]
    if not done.moved:
        return ["nothing new"]
    if done.stage == "ingest":
        return [f"{len(done.tables)} tables", f"{done.rows_in:,} read", f"{done.rows_out:,} new"]
    return [f"{len(done.tables)} models", f"{done.rows_out:,} rows"]


def _indent(message: str) -> str:
    return message.replace("\n", "\n" + " " * 9)


def report(done: RunReport, project: str) -> str:
    """The end of a run: what was set aside, how it went, what to do next."""
    text = []
    if done.quarantined:
        text.append(f"quarantined {done.quarantined} rows → catchwater runs {done.number} --quarantine {project}")
    if done.state == "failed":
        text.append(f"failed; the last good state is still readable → catchwater logs {done.number} {project}")
    return "\n".join(text)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Aligned columns; NULL is shown as such."""
    cells = [[cell(value) for value in row] for row in rows]
    wide = widths([columns, *cells])
    return "\n".join(line(row, wide) for row in (columns, ["─" * width for width in wide], *cells))


def widths(cells: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column is in a terminal, where 名 takes two places."""
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(*cells, strict=True)]


def line(cells: Sequence[str], wide: Sequence[int]) -> str:
    from rich.cells import cell_len

    filled = (text + " " * (width - cell_len(text)) for text, width in zip(cells, wide, strict=True))
    return "  ".join(filled).rstrip()


def cell(value: Any) -> str:
    """One line, and nothing in it that a terminal would take for a command."""
    if value is None:
        return "NULL"
    text = str(value).replace("\n", "⏎")
    return text if text.isprintable() else "".join(char if char.isprintable() else escaped(char) for char in text)


def escaped(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"


def status(facts: Mapping[str, Any]) -> str:
    lines = [f"{facts['project']} in {facts['environment']}"]
    for source in facts["sources"]:
        age = source["freshness_seconds"]
        fresh = "never loaded" if age is None else f"{age:.0f} s old"
        word = "  STALE" if source["stale"] else ""
        held = source["position_age_seconds"] or 0
        back = f"  position {held:.0f} s old" if held >= HELD_BACK else ""
        lines.append(f"{'source':<9}{source['name']}  {len(source['tables'])} tables  {fresh}{back}{word}")
    wide = max((len(model["name"]) for model in facts["models"]), default=0)
    for model in facts["models"]:
        rows = "-" if model["rows"] is None else f"{model['rows']:,}"
        lines.append(f"{'model':<9}{model['name']:<{wide}}  {rows:>12} rows  {model['materialized']}")
    version = facts["warehouse"]["version"]
    shown = "nothing loaded yet" if version is None else f"version {version}"
    lines.append(f"{'load':<9}{facts['warehouse']['kind']}  {shown}")
    lines += [f"{'wrong':<9}{_indent(problem)}" for problem in facts["problems"]]
    for failure in facts["failures"]:
        lines.append(f"{'failing':<9}{failure['step']} since {failure['since']}: {_indent(failure['message'])}")
    return "\n".join(lines)


def runs(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "no runs yet"
    columns = ["run", "state", "trigger", "started", "seconds", "quarantined"]
    rows = [
        [r["number"], r["state"], r["trigger"], r["started"], _seconds(r["seconds"]), r["quarantined"]] for r in found
    ]
    return table(columns, rows)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def run(one: Mapping[str, Any]) -> str:
    lines = [f"run {one['number']}  {one['state']}  {one['trigger']}  {one['started']}  {_seconds(one['seconds'])} s"]
    for step in one["steps"]:
        numbers = f"{step['rows']:,} read  {step['written']:,} written  {step['seconds']:.1f} s"
        lines.append(f"{step['name']:<30}{step['state']:<9}{numbers}")
        lines += [f"{'':<30}{note}" for note in step["notes"]]
        if step["error"]:
            lines.append(f"{'':<30}{_indent(step['error'])}")
    return "\n".join(lines)


def quarantine(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "this run set nothing aside"
    return "\n".join(f"{row['table']}  {row['where']}  {row['reason']}\n         {row['text'][:200]}" for row in rows)


def log(line: Mapping[str, Any]) -> str:
    fields = "  ".join(f"{k}={v}" for k, v in line["fields"].items() if k in ("rows", "written", "seconds", "batches"))
    return f"{line['at']}  {line['run']:>5}  {line['level']:<8}{line['step']:<24}{line['message']}  {fields}".rstrip()


def alerts(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "no alerts yet"
    rows = [[a["at"], a["event"], a["notify"], a["subject"], a["error"] or "sent"] for a in found]
    return table(["at", "event", "by", "subject", "outcome"], rows)


def demo(result: Mapping[str, Any]) -> str:
    lines = [f"{name:<32}{rows:>10,} rows" for name, rows in result["tables"].items()]
    if result["quarantined"]:
        lines.append(f"{result['quarantined']} rows set aside, as this example means to show")
    lines.append(f'next: catchwater query "SHOW TABLES" {result["folder"]}')
    return "\n".join(lines)
