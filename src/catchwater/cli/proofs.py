"""What the proofs print: their facts as lines of text; nothing is proven or read here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from catchwater.runtimes.diff import ModelDiff, TableDiff

_COLOURS = {"equal": "green", "pending": "yellow", "wrong": "red", "not compared": "yellow"}


def verified(found: Mapping[str, Any]) -> str:
    """A line per log, table and model, then what is wrong, then the sum of it all."""
    lines = [
        f"{log['log']}  {log['batches']} batches  {log['files']} files  {log['bytes']:,} bytes" for log in found["logs"]
    ]
    for area in ("sources", "models", "warehouse"):
        lines += [_proven(area.removesuffix("s"), one) for one in found[area]]
    lines += [f"{typer.style('wrong', fg='red')}: {problem}" for problem in found["problems"]]
    return "\n".join([*lines, _sum(found)])


def _read(log: Mapping[str, Any]) -> str:
    return f"{log['log']}  {log['batches']} batches  {log['files']} files  {log['bytes']:,} bytes"


def _proven(area: str, one: Mapping[str, Any]) -> str:
    state = typer.style(f"{one['state']:<12}", fg=_COLOURS[one["state"]])
    return f"{area:<10}{one['name']:<36} {state} {one['said']}"


def _sum(found: Mapping[str, Any]) -> str:
    files = sum(log["files"] for log in found["logs"])
    size = sum(log["bytes"] for log in found["logs"])
    parts = [f"{len(found['logs'])} logs, {files:,} files, {size:,} bytes read"]
    for area, word in (
        ("sources", "tables of sources"),
        ("models", "models"),
        ("warehouse", "tables of the warehouse"),
    ):
        states = [one["state"] for one in found[area] if one["state"] != "not compared"]
        good = sum(state in ("equal", "pending") for state in states)
        if states:
            rows = sum(one.get("equal", one.get("rows", 0)) for one in found[area] if one["state"] != "wrong")
            parts.append(f"{good} of {len(states)} {word} equal ({rows:,} rows)")
    skipped = sum(one["state"] == "not compared" for area in ("sources", "models", "warehouse") for one in found[area])
    if skipped:
        parts.append(f"{skipped} not compared, as said above")
    head = f"{len(found['problems'])} wrong" if found["problems"] else "nothing is wrong"
    return f"{head}: {'; '.join(parts)}"


def diffed(found: "ModelDiff") -> str:
    """A difference for people at a terminal."""
    offsets = ", ".join(f"{log.partition('/')[2]} to batch {seq}" for log, seq in found.offsets.items())
    lines = [f"{found.model}: {found.against} → the folder, over {offsets}"]
    lines += [f"note      {note}" for note in found.notes]
    lead = "columns"
    for sign, name, text in _columns(found):
        lines.append(f"{lead:<10}{sign} {name}  {text}")
        lead = ""
    for table in found.tables:
        lines.append(f"rows      {_counts(table)}")
        lines += [f"          {text}" for text in _examples(table)]
    lead = "measures"
    for total in found.measures:
        change = f"  ({total.change})" if total.change else ""
        lines.append(f"{lead:<10}{total.name}  {_total(total.old)} → {_total(total.new)}{change}")
        lead = ""
    return "\n".join(lines)


def _columns(found: "ModelDiff") -> Iterator[tuple[str, str, str]]:
    columns = found.columns
    for name, kind in columns.added.items():
        yield "+", name, kind
    for name, kind in columns.dropped.items():
        yield "-", name, "  ".join(filter(None, [kind, columns.readers.get(name, "")]))
    for name, (old, new) in columns.retyped.items():
        yield "~", name, "  ".join(filter(None, [f"{old} → {new}", columns.readers.get(name, "")]))


def _counts(table: "TableDiff") -> str:
    found = table.differing
    which = "".join(f", {name} {count:,}" for name, count in found.columns.items())
    return f"{table.name}  +{found.added:,} ~{found.changed:,} -{found.removed:,} of {found.rows:,}" + (
        f"  ({which[2:]})" if which else ""
    )


def _examples(table: "TableDiff") -> Iterator[str]:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    for one in table.differing.examples:
        changes = ", ".join(f"{name} {_cell(old)} → {_cell(new)}" for name, (old, new) in one.values.items())
        yield f"{signs[one.kind]} {one.key}" + (f"  {changes}" if changes else "")
    left = table.differing.total - len(table.differing.examples)
    if left and table.differing.examples:
        yield f"… and {left:,} more"


def _cell(text: str | None) -> str:
    return "NULL" if text is None else text if len(text) <= 60 else f"{text[:59]}…"


def _total(text: str | None) -> str:
    return "none" if text is None else text


def diffed_as_markdown(found: "ModelDiff") -> str:
    """The same for a comment on a pull request."""
    offsets = ", ".join(f"`{log.partition('/')[2]}` to batch {seq}" for log, seq in found.offsets.items())
    text = [f"### `{found.model}`: {found.against} → this change", "", f"Both over {offsets}.", ""]
    text += [f"> {_escaped(note)}" for note in found.notes]
    text += ["| table | rows | added | changed | removed | columns |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for table in found.tables:
        one = table.differing
        which = ", ".join(f"`{name}` {count:,}" for name, count in one.columns.items())
        text.append(f"| `{table.name}` | {one.rows:,} | {one.added:,} | {one.changed:,} | {one.removed:,} | {which} |")
    columns = list(_columns(found))
    if columns:
        text += ["", "| | column | |", "| --- | --- | --- |"]
        text += [f"| {sign} | `{name}` | {_escaped(said)} |" for sign, name, said in columns]
    if found.measures:
        text += ["", "| measure | before | after | change |", "| --- | ---: | ---: | ---: |"]
        text += [
            f"| {total.name} | {_escaped(_total(total.old))} | {_escaped(_total(total.new))} | {total.change} |"
            for total in found.measures
        ]
    for table in found.tables:
        shown = [f"- {_escaped(line)}" for line in _examples(table)]
        if shown:
            text += ["", f"<details><summary>{table.name}: examples</summary>", "", *shown, "", "</details>"]
    return "\n".join(text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "\\`")


def read_again(report: Mapping[str, Any]) -> str:
    """What a backfill read and wrote, and the gaps that it found."""
    lines = []
    for step in report["steps"]:
        if step["stage"] == "ingest":
            lines.append(f"{step['name']}: {step['rows']:,} rows read, {step['written']:,} written")
            lines += [f"  note: {note}" for note in step["notes"]]
        lines += [f"{typer.style('failed', fg='red')}: {failure['message']}" for failure in step["failures"]]
    return "\n".join(lines) or "nothing was read"


def replayed(facts: Mapping[str, Any]) -> str:
    """A line for each source and model, then what failed."""
    lines = []
    for one in facts["sources"]:
        lines.append(f"{one['source']}: {one['said']}")
        lines += [f"  still aside: {reason}" for reason in one.get("reasons", ())]
        lines += [f"  next: {one['next']}"] if one.get("next") else []
    for one in facts["models"]:
        aside = f", {one['aside']:,} set aside" if one["aside"] else ""
        lines.append(f"{one['model']}: {one['rows']:,} rows made anew (batch {one['batch']}){aside}")
    lines += [f"{typer.style('failed', fg='red')}: {text}" for text in facts["failures"]]
    return "\n".join(lines) or "nothing to replay"


def swept(found: Sequence[Mapping[str, Any]], dry: bool) -> str:
    """A line per log that has something to remove, and their sum."""
    word = "would go" if dry else "removed"
    lines = [f"{one['log']}  {one['files']} files  {one['bytes']:,} bytes {word}" for one in found if one["files"]]
    files, size = (sum(one[name] for one in found) for name in ("files", "bytes"))
    return "\n".join([*lines, f"{len(found)} logs: {files:,} files, {size:,} bytes {word}"])
