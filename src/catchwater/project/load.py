"""Reads `catchwater.yml`, every environment of it, and says every problem at once; no connection is made."""

from collections.abc import Mapping
from pathlib import Path

from catchwater.errors import Problem, ProjectError, UseError
from catchwater.project import confidential, dangling, document, overlay, words
from catchwater.project.document import Entry, Spot, Value
from catchwater.project.loaded import Loaded
from catchwater.project.schema import Project
from catchwater.project.variables import read as read_variables

FILE = "catchwater.yml"


def load(folder: Path, environment: str = "local", variables: Mapping[str, str] | None = None) -> Loaded:
    """The project of a folder as it stands in one environment.

    `variables` overlay the folder's `.env` (None: this process's own environment). Raises ProjectError with
    everything that is wrong in any environment, UseError for an environment that isn't declared.
    """
    tree, problems = document.read(folder / FILE, FILE)
    try:
        known = read_variables(folder, variables)
    except ProjectError as error:
        known = {}
        problems = [*problems, *error.problems]
    if tree is None:
        raise ProjectError(problems)
    base, environments, wrong = overlay.split(tree)
    problems += [*wrong, *confidential.problems(tree, folder)]
    merged: dict[str, Value] = {}
    found: dict[Problem, set[str]] = {}
    for name in environments:
        chain, wrong = overlay.chain(name, environments)
        problems += wrong
        merged[name] = _merge(base, chain)
        for problem in [*_unknown_nulls(base, chain), *check(merged[name], folder)]:
            found.setdefault(problem, set()).add(name)
    problems += _placed(found, tree, environments)
    if problems:
        raise ProjectError(problems)
    if environment not in merged:
        right = words.nearest(environment, merged, 20)
        raise UseError(f"this project has no environment '{environment}'", next_step=f"{right}")
    return _loaded(folder, environment, merged[environment], known)


def environments(folder: Path) -> list[str]:
    """The names of a project's environments in the order declared; raises ProjectError like `load`."""
    tree, problems = document.read(folder / FILE, FILE)
    if tree is None:
        raise ProjectError(problems)
    return list(overlay.split(tree)[1])


def check(tree: Value, folder: Path) -> list[Problem]:
    """What is wrong with a project in one environment: keys, values, and references that lead nowhere."""
    return [*_schema_problems(tree), *dangling.problems(tree, folder)]


def _merge(base: Value, chain: list[Value], nulls: bool = False) -> Value:
    for override in chain:
        base = overlay.merge(base, override, nulls)
    return base


def _schema_problems(tree: Value) -> list[Problem]:
    from pydantic import ValidationError

    try:
        Project.model_validate(tree.plain(), by_alias=True, by_name=False)
    except ValidationError as error:
        return [words.problem(tree, detail) for detail in error.errors(include_url=False)]
    return []


def _unknown_nulls(base: Value, chain: list[Value]) -> list[Problem]:
    """A null deletes, so a misspelt key that is null would go unseen: look at the keys before they are deleted."""
    tree = _merge(base, chain, nulls=True)
    return [problem for problem in _schema_problems(tree) if problem.message.startswith("unknown key")]


def _placed(found: Mapping[Problem, set[str]], tree: Value, environments: Mapping[str, Entry]) -> list[Problem]:
    """Each problem once; one that stands in the common part but holds in some environments only names them."""
    declared = tree.at(overlay.ENVIRONMENTS)
    own: set[Spot] = set()
    for _, spot, value in declared.walk() if declared else ():
        own |= {spot, value.spot}
    placed = []
    for problem, names in found.items():
        everywhere = len(names) == len(environments)
        if everywhere or (problem.file, problem.line, problem.column) in own:
            placed.append(problem)
        else:
            message = f"{problem.message} (in {', '.join(sorted(names))})"
            placed.append(Problem(problem.file, problem.line, problem.column, message, problem.right))
    return placed


def _loaded(folder: Path, environment: str, tree: Value, known: dict[str, str]) -> Loaded:
    return Loaded(
        folder=folder,
        environment=environment,
        project=Project.model_validate(tree.plain(), by_alias=True, by_name=False),
        variables=known,
        lines={trail: spot for trail, spot, _ in tree.walk()},
    )
