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


@lru_cache(maxsize=16)
def _client(
    service: str, place: str | None, endpoint: str | None, keys: tuple[str | None, ...], patience: float
) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise MissingExtra("boto3", "aws") from error
    config = Config(
        connect_timeout=5, read_timeout=patience, retries={"mode": "standard", "total_max_attempts": 4},
        user_agent_extra="catchwater",
    )  # fmt: skip
    key, secret, token = keys
    own = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token} if key else {}
    return boto3.session.Session().client(service, region_name=place, endpoint_url=endpoint, config=config, **own)


def code(error: Exception) -> str:
    """The service's own word for a refusal (`AccessDenied`), or the exception's class; never its text."""
    answer = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code") or type(error).__name__)


def denied(error: Exception) -> bool:
    return code(error) in ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
