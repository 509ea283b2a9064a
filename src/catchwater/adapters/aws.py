"""One client of an AWS service, from the process's variables; what its refusals mean is each adapter's to say."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from catchwater.errors import MissingExtra

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def client(service: str, variables: Mapping[str, str], patience: float = 30.0) -> Any:
    """A client that waits `patience` seconds for an answer and asks four times; AWS_ENDPOINT_URL (or
    AWS_ENDPOINT_URL_<SERVICE>) leads elsewhere. What isn't among the variables boto3 takes from the process's role.

    Kept for the process, since making one takes longer than its answers. Raises MissingExtra.
    """
    name = service.upper().replace("-", "_")
    endpoint = variables.get(f"AWS_ENDPOINT_URL_{name}") or variables.get("AWS_ENDPOINT_URL") or None
    return _client(service, region(variables), endpoint, tuple(variables.get(key) or None for key in _KEYS), patience)


def region(variables: Mapping[str, str]) -> str | None:
    return variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or None


def session(variables: Mapping[str, str]) -> Any:
    """boto3's session with the credentials among the variables, else the process's own. Raises MissingExtra."""
    return _session(tuple(variables.get(key) or None for key in _KEYS))


def _session(keys: tuple[str | None, ...]) -> Any:
    try:
        import boto3
    except ImportError as error:
        raise MissingExtra("boto3", "aws") from error
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return boto3.session.Session(**dict(zip(names, keys, strict=True)) if keys[0] else {})


@lru_cache(maxsize=16)
def _client(
    service: str, place: str | None, endpoint: str | None, keys: tuple[str | None, ...], patience: float
) -> Any:
    opened = _session(keys)
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=patience,
        retries={"mode": "standard", "total_max_attempts": 4},
        user_agent_extra="catchwater",
    )
    return opened.client(service, region_name=place, endpoint_url=endpoint, config=config)


def code(error: Exception) -> str:
    """The service's own word for a refusal (`AccessDenied`), or the exception's class; never its text."""
    answer = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code") or type(error).__name__)


def denied(error: Exception) -> bool:
    return code(error) in ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
