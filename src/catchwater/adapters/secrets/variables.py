"""Secrets kept as variables: `github-webhook` is `GITHUB_WEBHOOK`; nothing is written here."""

import re
from typing import Any

from catchwater.errors import SecretMissing
from catchwater.ports import Settings


def variable_of(secret: str) -> str:
    """The variable that holds a secret: upper case, everything but letters and digits an underscore."""
    plain = re.sub(r"[^A-Z0-9]+", "_", secret.upper()).strip("_")
    return f"_{plain}" if plain[:1].isdigit() else plain


class VariableSecrets:
    """Reads a secret from the process's environment or the project's `.env`."""

    def __init__(self, name: str, spec: Any, settings: Settings) -> None:
        self._settings = settings

    def read(self, name: str) -> str:
        """The secret; raises SecretMissing when its variable isn't set or is empty: an empty one guards nothing."""
        variable = variable_of(name)
        if not variable:
            raise SecretMissing(f"{name!r} isn't the name of a secret", next_step="name it like github-webhook")
        try:
            value = self._settings.resolve("${" + variable + "}")
        except SecretMissing as error:
            raise self._missing(name, variable) from error
        if not value:
            raise self._missing(name, variable)
        return value

    def _missing(self, name: str, variable: str) -> SecretMissing:
        return SecretMissing(
            f"the secret {name} isn't set in {self._settings.environment}",
            next_step=f"put a line into {self._settings.folder / '.env'}: {variable}=…",
        )
