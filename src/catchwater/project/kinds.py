"""The kinds of value that `catchwater.yml` is made of, and how a wrong one is said; no key is declared here."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from catchwater.project import names

STRICT = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"YAML reads this as {str(value).lower()}: put the word in quotes")
    return value


def _account(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f'an account number is text: write "{value:012d}" in quotes')
    return value


def _tables(value: Any) -> Any:
    if value != "all" and not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise ValueError("write `all`, or a list of names: [one, two]")
    return value


def _duration(value: str) -> str:
    if names.seconds(value) is None:
        raise ValueError("not a duration: write for example '10 minutes'")
    return value


def _schedule(value: str) -> str:
    if names.seconds(value) is not None:
        return value
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        CronSim(value, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError("neither a duration nor cron: write '10 minutes' or '0 6 * * *'") from error
    return value


Word = Annotated[str, BeforeValidator(_word)]
Duration = Annotated[Word, AfterValidator(_duration)]
Schedule = Annotated[Word, AfterValidator(_schedule)]
Account = Annotated[str, BeforeValidator(_account), BeforeValidator(_word), Field(pattern=r"^[0-9]{12}$")]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Tables = Annotated[Literal["all"] | list[Word], BeforeValidator(_tables)]
Hidden = Annotated[Word | None, Field(repr=False)]
