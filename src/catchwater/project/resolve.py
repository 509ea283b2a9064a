"""The names in a model's SELECT led to what they mean, by edits of its text; nothing is typed or computed here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from catchwater.errors import Problem
from catchwater.project.catalogue import CURRENT, HISTORY, SYSTEM, VALIDITY, Catalogue, Meaning
from catchwater.project.functions import functions
from catchwater.project.models import ModelFile
from catchwater.project.names import fold, is_plain, quote
from catchwater.project.shape import appended_at, driving_table, joins_of
from catchwater.project.text import Edit, Edited, edit

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True)
class Input:
    """One meaning that a model reads, under `alias`, with the system columns that its SQL names."""

    meaning: Meaning
    alias: str
    system: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolved:
    """`sql` reads only aliases of `inputs`. `driving` is the alias of the table that the SELECT walks over, and
    `history` says that each of its versions makes one row (then `_op` and `_at` were added at the end). `joined` are
    the tables that it joins: alias (empty when it is none by name) and the name that each has in the SQL."""

    sql: Edited
    inputs: tuple[Input, ...]
    driving: str
    history: bool
    driving_name: str
    joined: tuple[tuple[str, str], ...] = ()

    def input(self, alias: str) -> Input:
        return next(one for one in self.inputs if one.alias == alias)


@dataclass
class _Work:
    model: ModelFile
    catalogue: Catalogue
    edits: list[Edit] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    inputs: dict[str, tuple[Meaning, set[str]]] = field(default_factory=dict)
    aliases: "dict[int, tuple[str, str]]" = field(default_factory=dict)  # id(table) -> (input alias, name in SQL)


def resolve(model: ModelFile, catalogue: Catalogue) -> tuple[Resolved | None, list[Problem]]:
    """The model's SQL with its inputs renamed, or everything that its names get wrong."""
    from sqlglot import exp

    work = _Work(model, catalogue)
    _refuse_readers(work)
    local = {cte.alias.lower() for cte in model.query.find_all(exp.CTE)}
    for table in model.query.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and not _is_local(table):
            _read_table(work, table, local)
    if work.problems:
        return None, work.problems
    driving = driving_table(model.query)
    alias, shown = work.aliases.get(id(driving), ("", "")) if driving is not None else ("", "")
    history = model.name.lower() in catalogue.histories
    if history:
        work.inputs[alias][1].update(("_op", "_at"))
    _columns(work)
    _stars(work)
    if history:
        _append(work, quote(shown))
    inputs = tuple(
        Input(meaning, name, tuple(c for c in meaning.system() if c in used))
        for name, (meaning, used) in work.inputs.items()
    )
    edited = edit(model.select.text, work.edits)
    return Resolved(edited, inputs, alias, history, shown, _joined(work)), work.problems


def _joined(work: _Work) -> tuple[tuple[str, str], ...]:
    return tuple(work.aliases.get(id(join.this), ("", "")) for join in joins_of(work.model.query))


def _refuse_readers(work: _Work) -> None:
    tokens = work.model.tokens
    for token, after in pairwise(tokens):
        if after.text == "(" and functions().reads_outside(token.text):
            work.problems.append(
                work.model.problem(
                    token.start, f"{token.text} can't be used in a model", "declare what it reads as a source"
                )
            )


def _is_local(table: "exp.Table") -> bool:
    """Whether the name is that of a WITH clause that this place can see."""
    from sqlglot import exp

    if table.args.get("db"):
        return False
    inside: list[exp.Expr] = []
    node: exp.Expr | None = table
    while node is not None:
        clause = node.args.get("with_")
        if isinstance(clause, exp.With) and _sees(clause, table.name.lower(), inside):
            return True
        inside.append(node)
        node = node.parent
    return False


def _sees(clause: "exp.With", name: str, inside: "list[exp.Expr]") -> bool:
    for cte in clause.expressions:
        own = any(node is cte for node in inside)
        if own and not clause.args.get("recursive"):
            return False
        if cte.alias.lower() == name:
            return True
        if own:
            return False
    return False


def _span(parts: "Sequence[exp.Expr]") -> tuple[int, int]:
    spots = [part.meta for part in parts if "start" in part.meta]
    return min(spot["start"] for spot in spots), max(spot["end"] for spot in spots) + 1


def _read_table(work: _Work, table: "exp.Table", local: set[str]) -> None:
    model = work.model
    parts = [part.name for part in table.parts]
    start, end = _span(table.parts)
    written = model.select.text[start:end]
    if written.startswith("'") or (len(parts) == 1 and ("/" in parts[0] or "." in parts[0])):
        work.problems.append(model.problem(start, f"a model can't read the file {written}", "declare a source"))
        return
    meaning = work.catalogue.find(parts, model.name)
    if meaning is None:
        right = work.catalogue.nearest(parts, model.name)
        own = len(parts) == 1 and parts[0].lower() == model.name.lower()
        said = "a model can't read itself, and there is no source of that name" if own else "no such table"
        work.problems.append(model.problem(start, f"{written}: {said}", right))
        return
    alias = _alias(work, meaning, local, _apart(work, table))
    given = table.args.get("alias")
    shown = given.name if given and given.name else parts[-1]
    work.aliases[id(table)] = (alias, shown)
    named = shown == alias or (given and given.name)
    work.edits.append(Edit(start, end, _written(alias) + ("" if named else f" AS {_written(shown)}")))


def _written(name: str) -> str:
    """A plain name as it is; any other, or one that could be a reserved word, in quotes."""
    return name if is_plain(name) and "_" in name else quote(name)


def _apart(work: _Work, table: "exp.Table") -> str:
    """The alias of the driving table, when this is a table joined to it: the same table may be both, and of the one
    only new rows be read."""
    driving = driving_table(work.model.query)
    joined = any(join.this is table for join in joins_of(work.model.query))
    return work.aliases.get(id(driving), ("", ""))[0] if joined else ""


def _alias(work: _Work, meaning: Meaning, local: set[str], apart: str) -> str:
    for alias, (held, _) in work.inputs.items():
        if held == meaning and alias != apart:
            return alias
    if meaning.model:
        history = meaning.model.lower() in work.catalogue.histories
        base = meaning.model if meaning.history or not history else meaning.model + CURRENT
    else:
        base = f"{fold(meaning.log.partition('/')[2])}__{fold(meaning.table)}" + HISTORY * meaning.history
    taken = {name.lower() for name in work.inputs} | local
    alias, count = base, 1
    while alias.lower() in taken:
        count += 1
        alias = f"{base}_{count}"
    work.inputs[alias] = (meaning, set())
    return alias


def _tables_of(work: _Work, select: "exp.Expr") -> dict[str, str]:
    """Name in the SQL → alias of the input, for the inputs read directly by one SELECT."""
    from sqlglot import exp

    origin = select.args.get("from_")
    found = [origin.this] if isinstance(origin, exp.From) else []
    found += [join.this for join in joins_of(select)]
    return {work.aliases[id(table)][1]: work.aliases[id(table)][0] for table in found if id(table) in work.aliases}


def _columns(work: _Work) -> None:
    """Notes which system columns are named, and takes `source.` off columns written `source.table.column`."""
    from sqlglot import exp

    for column in work.model.query.find_all(exp.Column):
        database = column.args.get("db")
        if isinstance(database, exp.Identifier) and "start" in database.meta:
            first = _span([part for part in column.parts if part is not column.this])[0]
            table = column.args["table"].meta["start"]
            work.edits.append(Edit(first, table, ""))
        name = column.name.lower()
        if name in SYSTEM or name in VALIDITY:
            _note(work, column, name)


def _note(work: _Work, column: "exp.Column", name: str) -> None:
    from sqlglot import exp

    select = column.find_ancestor(exp.Select)
    while select is not None:
        tables = _tables_of(work, select)
        for shown, alias in tables.items():
            if column.table and column.table.lower() != shown.lower():
                continue
            meaning, used = work.inputs[alias]
            if name in meaning.system():
                used.add(name)
        if tables and (not column.table or column.table.lower() in {shown.lower() for shown in tables}):
            return
        select = select.find_ancestor(exp.Select)


def _stars(work: _Work) -> None:
    """`*` means the columns that the source declares: system columns that another place names are left out."""
    from sqlglot import exp

    for select in work.model.query.find_all(exp.Select):
        tables = _tables_of(work, select)
        hidden = {shown: sorted(work.inputs[alias][1]) for shown, alias in tables.items() if work.inputs[alias][1]}
        for item in select.expressions if hidden else ():
            star = item.this if isinstance(item, exp.Column) else item
            if isinstance(star, exp.Star):
                _hide(work, select, item, hidden)


def _hide(work: _Work, select: "exp.Select", item: "exp.Expr", hidden: dict[str, list[str]]) -> None:
    from sqlglot import exp

    star = item.this if isinstance(item, exp.Column) else item
    of = item.table.lower() if isinstance(item, exp.Column) else ""
    kept = {column.name.lower() for column in star.args.get("except_") or ()}
    names = [
        quote(name) if of else f"{quote(shown)}.{quote(name)}"
        for shown, columns in hidden.items()
        if not of or shown.lower() == of
        for name in columns
        if name not in kept
    ]
    if not names:
        return
    if work.model.select.text[star.meta.get("end", 0)] != "*":  # FROM without SELECT
        at = _from_before(work, select)
        work.edits.append(Edit(at, at, f"SELECT * EXCLUDE ({', '.join(names)}) "))
    elif star.args.get("except_"):
        _exclude_more(work, star.meta["end"], names)
    else:
        at = star.meta["end"] + 1
        work.edits.append(Edit(at, at, f" EXCLUDE ({', '.join(names)})"))


def _from_before(work: _Work, select: "exp.Select") -> int:
    """The FROM of a query that has no SELECT."""
    table = driving_table(select)
    limit = _span(table.parts)[0] if table is not None else 0
    return max(token.start for token in work.model.tokens if token.start < limit and token.text.upper() == "FROM")


def _exclude_more(work: _Work, star: int, names: list[str]) -> None:
    """More names for the EXCLUDE that follows a star, with or without its parentheses."""
    _, first, *_ = (token for token in work.model.tokens if token.start > star)
    listed = ", ".join(names)
    if first.text == "(":
        work.edits.append(Edit(first.end + 1, first.end + 1, f"{listed}, "))
    else:
        work.edits += [
            Edit(first.start, first.start, f"({listed}, "),
            Edit(first.end + 1, first.end + 1, ")"),
        ]


def _append(work: _Work, shown: str) -> None:
    """`_op` and `_at` of the driving row as the last two columns."""
    at, comma, lead = appended_at(work.model.tokens)
    columns = f"{shown}._op AS _op, {shown}._at AS _at"
    if lead:  # FROM first: the star that hides the two already stands there
        star = next(edit for edit in work.edits if edit.start == at and edit.new.startswith("SELECT"))
        work.edits[work.edits.index(star)] = Edit(at, at, f"{star.new.rstrip()}, {columns} ")
    else:
        work.edits.append(Edit(at, at, (", " if comma else " ") + columns))
