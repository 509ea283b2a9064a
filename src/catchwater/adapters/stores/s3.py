"""A zone in an S3 bucket, through obstore; create is `If-None-Match: *` and no answer is told as Uncertain."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from catchwater.adapters.stores.copies import copy
from catchwater.adapters.stores.keys import parts
from catchwater.errors import AlreadyExists, LakeError, MissingExtra, NotFound, Uncertain
from catchwater.ports import Stored

_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_CHUNK = 8 << 20


class S3Store:
    """`url` is `s3://bucket/prefix`; `variables` are the standard AWS_* ones (AWS_ENDPOINT_URL for another S3, keys,
    AWS_REGION); what is missing among them obstore takes from the process and its role. Fetched objects are kept
    under `cache` for good, since no object ever changes. A request is retried for `patience`."""

    def __init__(
        self, url: str, variables: Mapping[str, str], cache: Path, patience: timedelta = timedelta(seconds=30)
    ) -> None:
        try:
            import obstore
            from obstore.store import S3Store as Bucket
        except ImportError as error:
            raise MissingExtra("obstore", "s3") from error
        place = urlsplit(url)
        if place.scheme != "s3" or not place.netloc:
            raise LakeError(f"not a place for a lake: {url}", next_step="write s3://bucket/prefix")
        endpoint = variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL")
        region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
        config = {name.lower(): variables[name] for name in _VARIABLES if variables.get(name)}
        config |= {"aws_region": region} if region else {}
        config |= {"aws_endpoint_url": endpoint, "aws_virtual_hosted_style_request": "false"} if endpoint else {}
        self._obstore = obstore
        self._where = url.rstrip("/")
        self._bucket = Bucket(
            place.netloc,
            prefix=place.path.strip("/") or None,
            config=config,  # type: ignore[arg-type]
            client_options={"allow_http": bool(endpoint and endpoint.startswith("http://")), "timeout": 2 * patience},
            retry_config={"max_retries": 4, "retry_timeout": patience},
        )
        self._cache = cache / hashlib.sha256(f"{endpoint} {self._where}".encode()).hexdigest()[:16]
        self._seen = False

    def head(self, key: str) -> int | None:
        with self._errors(key):
            try:
                size = int(self._obstore.head(self._bucket, self._key(key))["size"])
            except FileNotFoundError:
                self._require_bucket(key)
                return None
            self._seen = True
            return size

    def read(self, key: str) -> bytes:
        with self._errors(key):
            return bytes(self._obstore.get(self._bucket, self._key(key)).bytes())

    def create(self, key: str, data: bytes) -> None:
        try:
            with self._errors(key):
                self._obstore.put(self._bucket, self._key(key), data, mode="create", use_multipart=False)
        except AlreadyExists as error:
            if self.head(key) is None:  # 409: another create was under way, and it may yet fail
                raise Uncertain("another write of this key was under way", where=self._at(key)) from error
            raise

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        if self.head(key) is not None:
            raise AlreadyExists("the object exists", where=self._at(key))
        with self._errors(key):
            self._obstore.put(self._bucket, self._key(key), path)

    def fetch(self, key: str) -> Path:
        return copy(self._cache, key, self._download)

    def delete(self, key: str) -> None:
        """For the sweep alone: no stage sees it."""
        with self._errors(key), suppress(FileNotFoundError):
            self._obstore.delete(self._bucket, self._key(key))

    def list(self, prefix: str) -> Iterator[Stored]:
        """Objects whose key begins with `prefix`, by key."""
        with self._errors(prefix):
            for chunk in self._obstore.list(self._bucket, prefix.rpartition("/")[0] or None):
                for item in chunk:
                    if item["path"].startswith(prefix):
                        yield Stored(item["path"], item["size"], item["last_modified"])

    def url(self, key: str) -> str:
        """Where other machines read or write an object of this zone."""
        return self._at(self._key(key))

    def _download(self, key: str, path: Path) -> None:
        with self._errors(key):
            stream = self._obstore.get(self._bucket, self._key(key)).stream(min_chunk_size=_CHUNK)
            with path.open("xb") as file:
                for chunk in stream:
                    file.write(chunk)

    def _require_bucket(self, key: str) -> None:
        """A HEAD can't tell a missing bucket from a missing object, and a lake that isn't there isn't empty."""
        if not self._seen:
            self._obstore.list_with_delimiter(self._bucket, parts(key)[0])
            self._seen = True

    def _key(self, key: str) -> str:
        return "/".join(parts(key))

    def _at(self, key: str) -> str:
        return f"{self._where}/{key}"

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Errors of obstore by their names here, and those of the endpoint that it can't name by their words."""
        from obstore import exceptions

        try:
            yield
        except FileNotFoundError as error:
            raise self._missing(error, key) from error
        except exceptions.AlreadyExistsError as error:
            raise AlreadyExists("the object exists", where=self._at(key)) from error
        except exceptions.BaseError as error:
            raise self._refused(error, key) from error

    def _refused(self, error: Exception, key: str) -> LakeError:
        """A refusal is certain only when it is the first answer: what was sent before a retry may have arrived."""
        text, code = str(error), _code(error)
        if "NoSuchBucket" in text:
            return self._missing(error, key)
        found = re.search(r"status code: (\d{3})", text)
        status = int(found[1]) if found else 0
        if not 400 <= status < 500 or status in (408, 409, 429) or re.search(r"after [1-9]\d* retries", text):
            return Uncertain(f"the store doesn't answer ({code})", where=self._at(key))
        return LakeError(
            f"the bucket refuses us ({code})",
            where=self._at(key),
            next_step="see to AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and to the rights to get, put and list",
        )

    def _missing(self, error: Exception, key: str) -> LakeError:
        if "NoSuchBucket" in str(error):
            bucket = urlsplit(self._where).netloc
            return LakeError(
                f"there is no bucket {bucket}", where=self._where, next_step="create it, or correct lake.url"
            )
        return NotFound("no such object", where=self._at(key))


def _code(error: Exception) -> str:
    """S3's own word for an error; never a header or a signature."""
    text = str(error)
    found = re.search(r"<Code>(\w+)</Code>", text) or re.search(r"status code: (\d{3} [A-Za-z ]+)", text)
    return found[1] if found else "connection cut or timed out"
