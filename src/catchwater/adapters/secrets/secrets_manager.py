"""Secrets in AWS Secrets Manager, under `<project>-<environment>-<name>`; read only, and no value in any message."""

import time
from typing import Any

from catchwater.adapters.aws import client, code, denied
from catchwater.errors import SecretMissing
from catchwater.ports import Settings
from catchwater.project.names import secret_id

KEPT = 60.0  # seconds: a rotated secret is seen within a minute
_held: dict[tuple[str, str], tuple[float, str]] = {}


class SecretsManager:
    """Reads a secret's current version; the process remembers it for KEPT seconds."""

    def __init__(self, name: str, spec: Any, settings: Settings) -> None:
        self._settings = settings

    def read(self, name: str) -> str:
        """The secret; raises SecretMissing when it has no value, or may not be read."""
        found = secret_id(self._settings.project, self._settings.environment, name)
        key = (self._settings.variables.get("AWS_ENDPOINT_URL", ""), found)
        until, value = _held.get(key, (0.0, ""))
        if time.monotonic() < until:
            return value
        value = self._asked(name, found)
        _held[key] = (time.monotonic() + KEPT, value)
        return value

    def _asked(self, name: str, found: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            value = client("secretsmanager", self._settings.variables).get_secret_value(SecretId=found)
        except (ClientError, BotoCoreError) as error:
            raise self._missing(name, found, error) from error
        text: str = value.get("SecretString") or ""
        if not text:
            raise SecretMissing(f"the secret {name} has no text", where=found, next_step=_put(found))
        return text

    def _missing(self, name: str, found: str, error: Exception) -> SecretMissing:
        if denied(error):
            # a name that nobody made is answered like this too: the role's rights are on the names that were made
            why = f"the secret {name} isn't there, or may not be read (secretsmanager:GetSecretValue)"
            return SecretMissing(
                why, where=found, next_step="catchwater build, then apply the storage and workflow roots"
            )
        if code(error) in ("ResourceNotFoundException", "InvalidRequestException"):
            text = f"the secret {name} isn't set in {self._settings.environment}"
            return SecretMissing(text, where=found, next_step=_put(found))
        return SecretMissing(
            f"the secret {name} can't be read: {code(error)}",
            where=found,
            next_step="it is tried again at the next wake",
        )


def _put(found: str) -> str:
    return f"aws secretsmanager put-secret-value --secret-id {found} --secret-string file://…"
