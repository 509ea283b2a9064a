"""Secrets in Google's Secret Manager, under `<project>-<environment>-<name>`; read only, and no value in a message."""

import time
from typing import Any

from catchwater.errors import MissingExtra, SecretMissing
from catchwater.ports import Settings
from catchwater.project.names import secret_id

KEPT = 60.0  # seconds: a rotated secret is seen within a minute
PATIENCE = 15.0
_held: dict[tuple[str, str], tuple[float, str]] = {}


class SecretManager:
    """Reads a secret's latest version, in the project GOOGLE_CLOUD_PROJECT; the process remembers it for KEPT
    seconds. SECRETMANAGER_ENDPOINT (http://host:port) is another server, which asks for no login."""

    def __init__(self, name: str, spec: Any, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None

    def read(self, name: str) -> str:
        """The secret; raises SecretMissing when it has no value, or may not be read."""
        found = secret_id(self._settings.project, self._settings.environment, name)
        project = self._settings.variables.get("GOOGLE_CLOUD_PROJECT", "")
        if not project:
            raise SecretMissing(
                f"the secret {name} can't be read: no project is named", next_step="set GOOGLE_CLOUD_PROJECT"
            )
        path = f"projects/{project}/secrets/{found}/versions/latest"
        key = (self._settings.variables.get("SECRETMANAGER_ENDPOINT", ""), path)
        until, value = _held.get(key, (0.0, ""))
        if time.monotonic() < until:
            return value
        value = self._asked(name, found, path)
        _held[key] = (time.monotonic() + KEPT, value)
        return value

    def _asked(self, name: str, found: str, path: str) -> str:
        client = self._opened()
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        where = self._settings.environment
        try:
            answer = client.access_secret_version(name=path, timeout=PATIENCE)
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            raise SecretMissing(
                f"the step's service account may not read the secret {name} (secretmanager.versions.access)",
                where=found,
                next_step="catchwater build, then apply the workflow's root",
            ) from error
        except (exceptions.NotFound, exceptions.BadRequest) as error:
            said = f"the secret {name} isn't set in {where}"
            raise SecretMissing(said, where=found, next_step=_put(found)) from error
        except (exceptions.GoogleAPIError, GoogleAuthError, OSError) as error:
            raise SecretMissing(
                f"the secret {name} can't be read: {type(error).__name__}",
                where=found,
                next_step="it is tried again at the next wake",
            ) from error
        try:
            text = bytes(answer.payload.data).decode()
        except UnicodeDecodeError:
            text = ""
        if not text:
            raise SecretMissing(f"the secret {name} has no text", where=found, next_step=_put(found))
        return text

    def _opened(self) -> Any:
        """Raises MissingExtra."""
        if self._client is None:
            try:
                from google.auth.credentials import AnonymousCredentials
                from google.cloud.secretmanager_v1 import SecretManagerServiceClient
                from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
                    SecretManagerServiceRestTransport as Rest,
                )
            except ImportError as error:
                raise MissingExtra("google-cloud-secret-manager", "google") from error
            scheme, _, host = self._settings.variables.get("SECRETMANAGER_ENDPOINT", "").partition("://")
            if host:
                login = AnonymousCredentials()  # type: ignore[no-untyped-call]
                transport = Rest(host=host.rstrip("/"), url_scheme=scheme, credentials=login)
                self._client = SecretManagerServiceClient(transport=transport)
            else:
                self._client = SecretManagerServiceClient(transport="rest")
        return self._client


def _put(found: str) -> str:
    return f"gcloud secrets versions add {found} --data-file=…"
