"""Models as their files hold them: head, SELECT, macros; nothing is typed or compared with other models here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.errors import Problem
from catchwater.project import names
from catchwater.project.head import Head, read_head
from catchwater.project.text import Edited, line_column, substitute

if TYPE_CHECKING:
    from sqlglot import Token, exp

MACROS = "_macros.sql"
_START = re.compile(r"\A\ufeff?(?:\s+|--[^\n]*(?:\n|\Z))*/\*---")
_END = re.compile(r"---\*/")
_SELECTS = "only SELECT, WITH … SELECT, VALUES or FROM …"


@dataclass(frozen=True)
class ModelFile:
    """One file of `models/`. `select` is the file with its head blanked and variables replaced, so that offsets
    lead back through it to `text`; `query` is sqlglot's tree of it, with offsets of `select.text`."""

    name: str
    file: str
    text: str = field(repr=False)
    head: Head
    select: Edited = field(repr=False)
    query: "exp.Expr" = field(repr=False, compare=False)
    tokens: "tuple[Token, ...]" = field(repr=False, compare=False)

    def problem(self, offset: int, message: str, right: str = "") -> Problem:
        """A problem at an offset of `select.text`."""
        return Problem(self.file, *line_column(self.text, self.select.origin(offset)), message, right)

    def at(self, spot: tuple[int, int], message: str, right: str = "") -> Problem:
        return Problem(self.file, *spot, message, right)


@dataclass(frozen=True)
class Macros:
    """The macros that every model may use: `statements` are (line, column, text)."""

    file: str = ""
    statements: tuple[tuple[int, int, str], ...] = ()
    names: frozenset[str] = frozenset()

    @property
    def sql(self) -> str:
        return self.first(len(self.statements))

    def first(self, count: int) -> str:
        return "".join(f"{text};\n" for _, _, text in self.statements[:count])


def read_models(folder: Path, variables: Mapping[str, str]) -> tuple[tuple[ModelFile, ...], Macros, list[Problem]]:
    """Every model under `folder/models`, the macros, and everything wrong with them."""
    problems: list[Problem] = []
    root = folder / "models"
    macros = Macros()
    found: list[ModelFile] = []
    if root.exists() and not root.is_dir():
        problems.append(
            Problem("models", 0, 0, "it isn't a folder", "make a folder of it, with a file NAME.sql per model")
        )
    for path in sorted(root.rglob("*.sql")) if root.is_dir() else []:
        file = path.relative_to(folder).as_posix()
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            problems.append(Problem(file, 0, 0, f"can't be read as UTF-8 text: {error}"))
            continue
        except OSError as error:
            problems.append(Problem(file, 0, 0, f"can't be read: {error.strerror}"))
            continue
        if path.name == MACROS:
            macros = _macros(file, text, variables, problems)
        else:
            model = _model(file, text, variables, problems)
            found += [model] if model else []
    return tuple(found), macros, problems


def _model(file: str, text: str, variables: Mapping[str, str], problems: list[Problem]) -> ModelFile | None:
    blank, head = _split(file, text, problems)
    if head is None:
        return None
    select, unknown = substitute(blank, variables)
    for offset, name in unknown:
        problems.append(
            Problem(file, *line_column(text, offset), f"variable {name} isn't set", f"set {name} or write its value")
        )
    name = _name(file, head, problems)
    parsed = None if unknown else _parse(file, text, select, problems)
    if parsed is None:
        return None
    query, tokens, end = parsed
    cut = Edited(select.text[:end], select.pieces)
    return ModelFile(name, file, text, head, cut, query, tokens)


def _split(file: str, text: str, problems: list[Problem]) -> tuple[str, Head | None]:
    start = _START.match(text)
    end = _END.search(text, start.end()) if start else None
    if not start or not end:
        what = "the head isn't closed" if start else "no head"
        problems.append(
            Problem(file, 1, 1, what, "begin the file with /*--- , then YAML, then ---*/ on a line of its own")
        )
        return text, None
    yaml = _blank(text[: start.end()]) + text[start.end() : end.start()]
    head, wrong = read_head(file, yaml)
    problems += wrong
    return _blank(text[: end.end()]) + text[end.end() :], head


def _blank(text: str) -> str:
    return re.sub(r"[^\r\n]", " ", text)


def _name(file: str, head: Head, problems: list[Problem]) -> str:
    name = head.name or Path(file).stem
    spot = head.spot("name")
    if not names.is_plain(name) or len(name) > 63:
        problems.append(Problem(file, *spot, f"{name!r} isn't a table name", f"for example {names.fold(name)[:63]}"))
    elif name.endswith("__history"):
        problems.append(Problem(file, *spot, f"{name}: the ending __history is for what sources hold"))
    return name


def _parse(
    file: str, text: str, select: Edited, problems: list[Problem]
) -> "tuple[exp.Expr, tuple[Token, ...], int] | None":
    """sqlglot's tree of the one statement, its tokens, and the offset at which it ends."""
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    def wrong(offset: int, message: str, right: str = "") -> None:
        problems.append(Problem(file, *line_column(text, select.origin(offset)), message, right))

    dialect = sqlglot.Dialect.get_or_raise("duckdb")
    try:
        statements = _statements(dialect.tokenize(select.text))
        if not statements:
            wrong(len(select.text), "no SELECT after the head")
            return None
        if len(statements) > 1:
            wrong(statements[1][0].start, "a second statement", "a model is one SELECT")
            return None
        query = _quiet(dialect, statements[0], select.text)
    except TokenError:
        wrong(_open_text(select.text), "a quote or comment that isn't closed")
        return None
    except ParseError as error:
        found = error.errors[0]
        offset = _offset(select.text, found)
        wrong(offset, f"isn't SQL here: {_plain(found['description'] or '')} at {found['highlight']!r}")
        return None
    refused = _refused(query, statements[0])
    if refused:
        wrong(*refused)
        return None
    return query, tuple(statements[0]), statements[0][-1].end + 1


def _quiet(dialect: object, tokens: "list[Token]", text: str) -> "exp.Expr":
    import logging

    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        query: exp.Expr = dialect.parser().parse(tokens, text)[0]  # type: ignore[attr-defined]
    finally:
        logger.setLevel(level)
    return query


def _statements(tokens: "list[Token]") -> "list[list[Token]]":
    groups: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            groups.append([])
        else:
            groups[-1].append(token)
    return [group for group in groups if group]


def _offset(text: str, found: dict[str, object]) -> int:
    """sqlglot tells the line, and the column where the token ends."""
    from catchwater.project.text import offset_of

    end = offset_of(text, int(str(found["line"])), int(str(found["col"])) + 1)
    return max(end - len(str(found["highlight"] or "")), 0)


def _plain(description: str) -> str:
    return re.sub(r" but got <Token.*", "", description, flags=re.DOTALL).rstrip(".")


def _open_text(text: str) -> int:
    """Where the quote or comment opens that never closes."""
    rest = re.sub(
        r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/",
        lambda found: " " * len(found[0]), text, flags=re.DOTALL,
    )  # fmt: skip
    found = re.search(r"['\"]|/\*", rest)
    return found.start() if found else 0


def _refused(query: "exp.Expr", tokens: "list[Token]") -> tuple[int, str, str] | None:
    from sqlglot import exp

    first = tokens[0]
    if not isinstance(query, exp.Query | exp.Values):
        return first.start, f"{first.text.upper()} isn't a SELECT", _SELECTS
    writing = query.find(exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Drop, exp.Copy, exp.Command, exp.Merge)
    if writing:
        word = writing.key.upper()
        at = next((token.start for token in tokens if token.text.upper() == word), first.start)
        return at, f"{word} isn't a SELECT", _SELECTS
    return None


def _macros(file: str, text: str, variables: Mapping[str, str], problems: list[Problem]) -> Macros:
    import sqlglot
    from sqlglot.errors import TokenError

    edited, unknown = substitute(text, variables)
    for offset, name in unknown:
        problems.append(Problem(file, *line_column(text, offset), f"variable {name} isn't set"))
    try:
        statements = _statements(sqlglot.Dialect.get_or_raise("duckdb").tokenize(edited.text))
    except TokenError:
        problems.append(Problem(file, *line_column(text, _open_text(edited.text)), "a quote or comment stays open"))
        return Macros()
    found: dict[str, tuple[int, int, str]] = {}
    for tokens in statements:
        name = _macro_name([token.text for token in tokens[:6]])
        spot = line_column(text, edited.origin(tokens[0].start))
        if not name:
            problems.append(Problem(file, *spot, "only CREATE MACRO may stand here"))
            continue
        found[name.lower()] = (*spot, edited.text[tokens[0].start : tokens[-1].end + 1])
    return Macros(file, () if unknown else tuple(found.values()), frozenset(found))


def _macro_name(words: list[str]) -> str:
    rest = [word.upper() for word in words]
    at = 0
    for optional in (["CREATE"], ["OR", "REPLACE"], ["TEMP"], ["TEMPORARY"]):
        if rest[at : at + len(optional)] == optional:
            at += len(optional)
        elif optional == ["CREATE"]:
            return ""
    return words[at + 1] if rest[at : at + 1] in (["MACRO"], ["FUNCTION"]) and len(words) > at + 1 else ""
