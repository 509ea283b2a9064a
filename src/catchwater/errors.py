"""Every error that Catchwater raises by name; nothing here imports another room.

CatchwaterError                exit code 1
├── UseError                   2: a wrong command line
├── ProjectError               2: everything wrong in a project at once, each with file and line
├── MissingExtra               a part that isn't installed, and the line that installs it
├── AlreadyRunning             another process holds this project
├── GrantMissing               a step touched what no edge of the graph gives it
├── SecretMissing              a variable or secret that isn't set
├── SourceError                a source can't be read
│   ├── SourceUnreachable      host, port or password
│   ├── SourceRefused          a right that is missing, named
│   └── SourceBusy             try again: a lock that wasn't granted, a replica that lags
├── LakeError                  what the lake holds or refuses
│   ├── NotFound               no such object
│   ├── AlreadyExists          create-if-absent found an object
│   ├── Uncertain              no answer: the write may or may not have happened
│   ├── LostRace               another writer took the number
│   ├── Corrupt                a manifest or file that isn't what was committed
│   └── ChainBroken            a marker whose hash isn't in the log
├── CheckFailed                a model's check of severity fail
├── ModelFailed                a model that can't be computed
├── WarehouseError             a load that can't be done
│   ├── WarehouseBusy          the file is held by another process
│   └── TableDiffers           an adopted table whose columns differ, by column
├── TerraformError             the infrastructure's files can't be tried
│   ├── TerraformMissing       the Terraform binary isn't here
│   ├── TerraformFailed        Terraform refused, in its own words
│   └── SchemaMissing          a provider's schemas can't be had
├── TwinFailed                 the twin can't be made or run
└── AlertFailed                a notification that wasn't accepted
"""

from dataclasses import dataclass
from typing import ClassVar


class CatchwaterError(Exception):
    """What happened, where, and what to do next; never a secret."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str = "", next_step: str = "") -> None:
        self.message, self.where, self.next_step = message, where, next_step
        super().__init__(str(self))

    def __str__(self) -> str:
        lead = f"{self.where}: " if self.where else ""
        tail = f"\n  next: {self.next_step}" if self.next_step else ""
        return f"{lead}{self.message}{tail}"


class UseError(CatchwaterError):
    exit_code = 2


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a project: `file` relative to it, `line` and `column` from 1 (0: the whole file)."""

    file: str
    line: int
    column: int
    message: str
    right: str = ""

    def __str__(self) -> str:
        spot = ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])
        return f"{spot}: {self.message}" + (f"; {self.right}" if self.right else "")


class ProjectError(CatchwaterError):
    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = len(self.problems)
        head = "" if count == 1 else f"{count} problems\n"
        super().__init__(head + "\n".join(str(problem) for problem in self.problems))


class MissingExtra(CatchwaterError):
    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} isn't installed", next_step=f"pip install 'catchwater[{extra}]'")


class AlreadyRunning(CatchwaterError): ...


class GrantMissing(CatchwaterError):
    def __init__(self, step: str, action: str, resource: str) -> None:
        super().__init__(f"{step} may not {action} {resource}: no edge needs it")


class SecretMissing(CatchwaterError):
    exit_code = 2


class SourceError(CatchwaterError): ...


class SourceUnreachable(SourceError): ...


class SourceRefused(SourceError): ...


class SourceBusy(SourceError): ...


class LakeError(CatchwaterError): ...


class NotFound(LakeError): ...


class AlreadyExists(LakeError): ...


class Uncertain(LakeError): ...


class LostRace(LakeError): ...


class Corrupt(LakeError): ...


class ChainBroken(LakeError): ...


class CheckFailed(CatchwaterError): ...


class ModelFailed(CatchwaterError): ...


class WarehouseError(CatchwaterError): ...


class WarehouseBusy(WarehouseError): ...


class TableDiffers(WarehouseError): ...


class TwinFailed(CatchwaterError):
    """What it proved otherwise is in the receipt."""


class TerraformError(CatchwaterError): ...


class TerraformMissing(TerraformError):
    def __init__(self) -> None:
        super().__init__(
            "the Terraform binary isn't on the PATH",
            next_step="install Terraform 1.11 or newer (developer.hashicorp.com/terraform/install), or TERRAFORM=/path",
        )


class TerraformFailed(TerraformError):
    """`said` is everything that Terraform said, as it said it."""

    def __init__(self, command: str, said: str, *, where: str = "") -> None:
        self.said = said
        super().__init__(f"terraform {command} failed\n{said}", where=where)


class SchemaMissing(TerraformError): ...


class AlertFailed(CatchwaterError): ...
