"""Where a BigQuery warehouse is and how it is asked; what its refusals mean; no table is known here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catchwater.errors import MissingExtra, WarehouseBusy, WarehouseError
from catchwater.ports import Settings

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

_SCOPES = ("https://www.googleapis.com/auth/bigquery",)
_BUSY = re.compile(
    r"concurrent update|aborted due to|not the predecessor|not found: table[: ]\S*_catchwater_stage_", re.I
)
_STEPS = (
    (403, "grant the step's service account what is missing: roles/bigquery.jobUser, and dataEditor on the dataset"),
    (401, "see to the credentials: GOOGLE_APPLICATION_CREDENTIALS, or CATCHWATER_GOOGLE_FEDERATION on AWS"),
)
WAIT, PATIENCE = 600.0, 30.0  # seconds for a job, and for an answer


@dataclass(frozen=True)
class Place:
    """One dataset of one project, and the client that reaches it. `storage` is where the Storage Read API listens
    (host:port): '' is Google's own, None leaves it alone (an emulator has none for the results of queries)."""

    client: "Client"
    project: str
    dataset: str
    storage: str | None = ""

    @property
    def where(self) -> str:
        return f"bigquery {self.project}.{self.dataset}"

    def query(self, sql: str, parameters: Any = (), timeout: float = WAIT) -> Any:
        """The job's row iterator once it has ended; sent once. Raises google.api_core's errors."""
        from google.cloud.bigquery import QueryJobConfig

        config = QueryJobConfig(query_parameters=list(parameters), use_legacy_sql=False)
        job = self.client.query(sql, job_config=config, retry=None, job_retry=None, timeout=60.0)  # type: ignore[arg-type]
        return job.result(timeout=timeout, retry=self.again, job_retry=None)

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """A few rows, as Python's. Raises WarehouseBusy, WarehouseError."""
        with self.errors():
            return [tuple(row) for row in self.query(sql, parameters)]

    @property
    def again(self) -> Any:
        """How what only asks is asked again: for half a minute."""
        from google.cloud.bigquery import DEFAULT_RETRY

        return DEFAULT_RETRY.with_timeout(PATIENCE)

    def errors(self, what: str = "") -> "Errors":
        return Errors(self, what)


@dataclass(frozen=True)
class Errors:
    """Inside the block errors of the library and of the line get their names here."""

    place: Place
    what: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and (named := refused(self.place, error, self.what)) is not None:
            raise named from error


def silent(error: BaseException) -> bool:
    """Whether nobody answered: what was asked may or may not have happened."""
    code = getattr(error, "code", None)
    return not (isinstance(code, int) and 400 <= code < 500 and code not in (408, 409, 429))


def refused(at: Place, error: BaseException, what: str = "") -> WarehouseError | None:
    """BigQuery's refusal by its name and with the next step; None for an error that isn't BigQuery's."""
    import concurrent.futures

    import requests
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    where = f"{at.where} {what}".strip()
    if isinstance(error, GoogleAuthError):
        return WarehouseError(f"no login for BigQuery: {type(error).__name__}", where=where, next_step=_STEPS[1][1])
    if isinstance(error, requests.RequestException | ConnectionError | concurrent.futures.TimeoutError):
        return WarehouseError("BigQuery doesn't answer", where=where, next_step="catchwater run")
    if not isinstance(error, GoogleAPIError):
        return None
    text = str(getattr(error, "message", "") or error).partition("; reason:")[0].strip()
    code = getattr(error, "code", None)
    if _BUSY.search(text):
        said = text if "concurrent" in text or "aborted" in text else "another load is writing"
        return WarehouseBusy(said, where=where, next_step="wait for the other load, then catchwater run")
    step = next((step for status, step in _STEPS if status == code), "catchwater run")
    return WarehouseError(
        text if isinstance(code, int) else f"BigQuery doesn't answer: {text}", where=where, next_step=step
    )


def place(dataset: str, settings: Settings) -> Place:
    """Raises MissingExtra, WarehouseError without credentials or without such a dataset."""
    variables = settings.variables
    project = variables.get("GOOGLE_CLOUD_PROJECT", "")
    client = _client(variables, project)
    emulated = "BIGQUERY_EMULATOR_HOST" in variables
    storage = variables.get("BIGQUERY_STORAGE_EMULATOR_HOST", None if emulated else "")
    at = Place(client, client.project, dataset, storage)
    from google.api_core.exceptions import NotFound

    with at.errors():
        try:
            found = client.get_dataset(f"{client.project}.{dataset}", retry=at.again, timeout=PATIENCE)
        except NotFound as error:
            raise WarehouseError(
                f"there is no dataset {dataset}",
                where=at.where,
                next_step="apply the warehouse root (catchwater build writes it), or create the dataset",
            ) from error
    client._location = found.location  # jobs run where the dataset is
    return at


def _client(variables: Mapping[str, str], project: str) -> "Client":
    try:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.bigquery import Client
    except ImportError as error:
        raise MissingExtra("google-cloud-bigquery", "google") from error
    emulator = variables.get("BIGQUERY_EMULATOR_HOST", "").rstrip("/")
    federation = variables.get("CATCHWATER_GOOGLE_FEDERATION", "")
    try:
        if emulator:
            endpoint = emulator if "://" in emulator else f"http://{emulator}"
            login = AnonymousCredentials()  # type: ignore[no-untyped-call]
            return Client(project or "emulated", login, client_options={"api_endpoint": endpoint})
        if federation:
            return Client(project or None, _federated(json.loads(federation)))
        return Client(project or None)
    except (GoogleAuthError, OSError, ValueError) as error:
        raise WarehouseError(
            f"no login for BigQuery: {type(error).__name__}",
            where="warehouse",
            next_step=f"set GOOGLE_CLOUD_PROJECT; {_STEPS[1][1]}",
        ) from error


def _federated(config: dict[str, Any]) -> Any:
    """The login of an AWS role that a workload identity pool knows. Raises ValueError for another kind."""
    from google.auth.aws import Credentials

    if config.get("type") != "external_account" or "credential_source" not in config:
        raise ValueError("not an external account")
    return Credentials.from_info(config, scopes=_SCOPES)  # type: ignore[no-untyped-call]
