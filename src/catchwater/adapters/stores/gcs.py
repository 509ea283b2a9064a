"""A zone in a Cloud Storage bucket; create is `ifGenerationMatch=0`, sent once, and no answer is told as Uncertain."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from catchwater.adapters.stores.copies import copy
from catchwater.adapters.stores.keys import parts
from catchwater.errors import AlreadyExists, LakeError, MissingExtra, NotFound, Uncertain
from catchwater.ports import Stored

_CHUNK = 8 << 20
_UNCERTAIN = frozenset({408, 409, 429})


class GcsStore:
    """`url` is `gs://bucket/prefix`; `variables` may hold STORAGE_EMULATOR_HOST (nobody is asked for a login there)
    and GOOGLE_CLOUD_PROJECT; otherwise the process's own credentials are used. Fetched objects are kept under
    `cache` for good, since no object ever changes. `patience`: seconds that one request may take; what only reads is
    sent again for as long."""

    def __init__(self, url: str, variables: Mapping[str, str], cache: Path, patience: float = 30.0) -> None:
        place = urlsplit(url)
        if place.scheme != "gs" or not place.netloc:
            raise LakeError(f"not a place for a lake: {url}", next_step="write gs://bucket/prefix")
        endpoint = variables.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
        self._where = url.rstrip("/")
        self._prefix = f"{place.path.strip('/')}/".lstrip("/")
        self._patience = patience
        self._client = _client(endpoint, variables.get("GOOGLE_CLOUD_PROJECT") or None, self._where)
        from google.cloud.storage.retry import DEFAULT_RETRY

        self._bucket = self._client.bucket(place.netloc)
        self._again = DEFAULT_RETRY.with_timeout(patience)
        self._cache = cache / hashlib.sha256(f"{endpoint} {self._where}".encode()).hexdigest()[:16]
        self._seen = False

    def head(self, key: str) -> int | None:
        blob = self._blob(key)
        with self._errors(key):
            if not _there(blob, self._patience, self._again):
                self._require_bucket()
                return None
            self._seen = True
            return int(blob.size)

    def read(self, key: str) -> bytes:
        blob = self._blob(key)
        with self._errors(key):
            return bytes(blob.download_as_bytes(raw_download=True, timeout=self._patience, retry=self._again))

    def create(self, key: str, data: bytes) -> None:
        blob = self._blob(key)
        with self._errors(key):
            blob.upload_from_string(
                data,
                content_type="application/octet-stream",
                if_generation_match=0,
                timeout=self._patience,
                retry=None,  # a second sending would meet our own object
            )

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        blob = self._blob(key)
        blob.chunk_size = _CHUNK
        with self._errors(key), path.open("rb") as file:
            blob.upload_from_file(
                file,
                size=path.stat().st_size,  # up to 8 MB go in one request, more in several
                content_type="application/octet-stream",
                if_generation_match=0,
                timeout=max(self._patience, 60.0),
                retry=None,
            )

    def fetch(self, key: str) -> Path:
        return copy(self._cache, key, self._download)

    def delete(self, key: str) -> None:
        """For the sweep alone: no stage sees it."""
        with suppress(NotFound), self._errors(key):
            self._blob(key).delete(timeout=self._patience, retry=self._again)

    def list(self, prefix: str) -> Iterator[Stored]:
        """Objects whose key begins with `prefix`, by key."""
        with self._errors(prefix):
            found = self._client.list_blobs(
                self._bucket, prefix=self._prefix + prefix, timeout=self._patience, retry=self._again
            )
            for blob in found:
                modified: datetime = blob.updated or blob.time_created
                yield Stored(blob.name[len(self._prefix) :], int(blob.size), modified.astimezone(UTC))

    def _download(self, key: str, path: Path) -> None:
        """Raises Uncertain when fewer bytes came than the object has."""
        blob = self._blob(key)
        with self._errors(key), path.open("xb") as file:
            blob.reload(timeout=self._patience, retry=self._again)
            blob.download_to_file(file, raw_download=True, timeout=max(self._patience, 60.0), retry=self._again)
        if path.stat().st_size != blob.size:
            raise Uncertain(f"{path.stat().st_size} bytes of {blob.size} came", where=self._at(key))

    def _require_bucket(self) -> None:
        """A 404 can't tell a missing bucket from a missing object, and a lake that isn't there isn't empty. Listing
        is what a step has a grant for; reading the bucket itself it hasn't."""
        from google.api_core.exceptions import NotFound as Absent

        if self._seen:
            return
        found = self._client.list_blobs(
            self._bucket, prefix=self._prefix, max_results=1, timeout=self._patience, retry=self._again
        )
        try:
            list(found)
        except Absent as error:
            name = self._bucket.name
            raise LakeError(
                f"there is no bucket {name}", where=self._where, next_step="create it, or correct lake.url"
            ) from error
        self._seen = True

    def _blob(self, key: str) -> Any:
        return self._bucket.blob(self._prefix + "/".join(parts(key)))

    def _at(self, key: str) -> str:
        return f"{self._where}/{key}"

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Errors of the library and of the line by their names here."""
        import requests
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

        try:
            yield
        except (GoogleAPICallError, InvalidResponse) as error:
            raise self._refused(error, key) from error
        except (RetryError, requests.RequestException, ConnectionError, TimeoutError, DataCorruption) as error:
            what = "connection cut or timed out" if not isinstance(error, DataCorruption) else "the checksum differs"
            raise Uncertain(f"the store doesn't answer ({what})", where=self._at(key)) from error
        except GoogleAuthError as error:
            raise _no_login(error, self._where) from error

    def _refused(self, error: Any, key: str) -> LakeError:
        """What was sent once and refused wasn't stored; what a proxy or a failing server says proves nothing."""
        status = int(getattr(error, "code", None) or error.response.status_code)
        if status == 412:
            return AlreadyExists("the object exists", where=self._at(key))
        if status == 404:
            return self._missing(key)
        if not 400 <= status < 500 or status in _UNCERTAIN:
            return Uncertain(f"the store doesn't answer (status {status})", where=self._at(key))
        return LakeError(
            f"the bucket refuses us (status {status})",
            where=self._at(key),
            next_step="see to the credentials (GOOGLE_APPLICATION_CREDENTIALS or the service account), and to the "
            "rights to get, create and list objects",
        )

    def _missing(self, key: str) -> LakeError:
        try:
            with self._errors(""):
                self._require_bucket()
        except LakeError as error:
            return error
        return NotFound("no such object", where=self._at(key))


def _client(endpoint: str, project: str | None, where: str) -> Any:
    """Raises MissingExtra, LakeError without credentials."""
    try:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage import Client
    except ImportError as error:
        raise MissingExtra("google-cloud-storage", "google") from error
    try:
        if endpoint:
            options = {"api_endpoint": endpoint}
            login = AnonymousCredentials()  # type: ignore[no-untyped-call]
            return Client(project or "emulated", login, client_options=options)
        return Client(project)
    except (GoogleAuthError, OSError) as error:  # OSError: no project can be found
        raise _no_login(error, where) from error


def _no_login(error: Exception, where: str) -> LakeError:
    return LakeError(
        f"no login for Cloud Storage: {type(error).__name__}",
        where=where,
        next_step="set GOOGLE_CLOUD_PROJECT, and GOOGLE_APPLICATION_CREDENTIALS or gcloud auth login --update-adc",
    )


def _there(blob: Any, timeout: float, retry: Any) -> bool:
    from google.api_core.exceptions import NotFound as Absent

    try:
        blob.reload(timeout=timeout, retry=retry)
    except Absent:
        return False
    return True
