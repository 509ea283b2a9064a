"""`auth: rds_iam`: a token that RDS would take, signed here, and a server that isn't RDS's is never told it."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from pg8000.native import Connection

from catchwater.adapters.sources import rds
from catchwater.adapters.sources.postgres.connection import address
from catchwater.adapters.sources.postgres.source import PostgresSource
from catchwater.errors import SourceRefused, SourceUnreachable
from catchwater.ports import Settings
from catchwater.project.schema import PostgresSource as Spec
from catchwater.runtimes import embedded
from tests.support.postgres import SETTINGS

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr/XUtnFEMI", "AWS_SESSION_TOKEN": "tok/+="}
HOST = "db.c9x.eu-west-1.rds.amazonaws.com"


def spec(**more: Any) -> Spec:
    return Spec.model_validate(
        {"kind": "postgres", "host": HOST, "database": "shop", "user": "ingest", "auth": "rds_iam"} | more
    )


def settings(**variables: str) -> Settings:
    return Settings(Path(), Path(), "prod", lambda text: text, "shop", variables)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 11, 21, 12, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment.replace(tzinfo=None))


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(
    ("host", "more", "region"),
    [(HOST, {"AWS_REGION": "us-east-1"}, "eu-west-1"), ("db.example.org", {"AWS_REGION": "us-east-1"}, "us-east-1"),
     ("db.example.org", {"AWS_DEFAULT_REGION": "ap-southeast-2"}, "ap-southeast-2")],
)  # fmt: skip
def test_the_token_is_the_one_that_boto3_makes(host: str, more: dict[str, str], region: str) -> None:
    found = address("shop", spec(host=host, port=6543), settings(**KEYS, **more)).given
    client = boto3.client(
        "rds", region_name=region, aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"], aws_session_token=KEYS["AWS_SESSION_TOKEN"],
    )  # fmt: skip
    assert found["password"] == client.generate_db_auth_token(host, 6543, "ingest")
    assert found["password"].startswith(f"{host}:6543/?Action=connect&DBUser=ingest&")
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", rds.bundled())
    client.close()


def test_each_connection_has_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["one", "two"])
    monkeypatch.setattr(rds, "token", lambda *_: next(tokens))
    source = PostgresSource("shop", spec(), settings(**KEYS))
    assert [source._place().given["password"] for _ in range(2)] == ["one", "two"]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="needs a user"):
        address("shop", spec(user=None), settings(**KEYS))
    with pytest.raises(SourceRefused, match="region of its database isn't known"):
        address("shop", spec(host="db.example.org"), settings(**KEYS))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SourceRefused, match="no AWS credentials"):
        address("shop", spec(), settings())


def test_the_bundle_holds_the_authorities_of_our_regions() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(rds.bundled())
    subjects = {dict(pair[0] for pair in one["subject"])["commonName"] for one in context.get_ca_certs()}
    for region in ("eu-west-1", "eu-west-2", "us-east-1", "ap-southeast-2"):
        assert f"Amazon RDS {region} Root CA RSA2048 G1" in subjects
    assert "Amazon Root CA 1" in subjects
    until = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs()]
    assert min(until) > datetime(2037, 1, 1, tzinfo=UTC).timestamp()


class Front:
    """What stands in front of an RDS database: TLS by Postgres's own handshake, then bytes to the real server."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self.context, self.behind = context, port
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, what: Any, *given: Any) -> None:
        thread = threading.Thread(target=what, args=given, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self.listening.accept()
            except OSError:
                return
            self._start(self._one, taken)

    def _one(self, taken: socket.socket) -> None:
        with taken:
            if taken.recv(8) != bytes.fromhex("0000000804d2162f"):  # SSLRequest
                return
            taken.sendall(b"S")
            try:
                secured = self.context.wrap_socket(taken, server_side=True)
            except OSError:
                return
            with secured, socket.create_connection(("127.0.0.1", self.behind)) as real:
                self._start(_pump, real, secured)
                _pump(secured, real)

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for thread in self.threads:
            thread.join(10)


def _pump(here: socket.socket, there: socket.socket) -> None:
    try:
        while data := here.recv(65536):
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def fronted(tmp_path: Path) -> Iterator[tuple[Front, Connection]]:
    """A real Postgres that asks for passwords, behind TLS; its authority's certificate is in `ca.pem`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with embedded.postgres(tmp_path / "server", settings=SETTINGS) as server:
        root = Connection("postgres", host="127.0.0.1", port=server.port, password=server.password)
        root.run("CREATE TABLE t (id int PRIMARY KEY)")
        front = Front(context, server.port)
        try:
            yield front, root
        finally:
            root.close()
            front.close()


@pytest.mark.usefixtures("now")
def test_a_token_opens_a_server_whose_name_an_authority_vouches_for(
    fronted: tuple[Front, Connection], tmp_path: Path
) -> None:
    front, root = fronted
    given = KEYS | {"AWS_REGION": "eu-west-2", "PGSSLROOTCERT": str(tmp_path / "ca.pem")}
    declared = spec(host="127.0.0.1", port=front.port, database="postgres")
    token = address("shop", declared, settings(**given)).given["password"]
    root.run(f"CREATE ROLE ingest LOGIN PASSWORD '{token}'")
    root.run("GRANT SELECT ON t TO ingest")
    (table,) = PostgresSource("shop", declared, settings(**given)).describe()
    assert table.name == "t"
    with pytest.raises(SourceUnreachable, match="certificate verify failed") as caught:
        PostgresSource("shop", declared, settings(**KEYS, AWS_REGION="eu-west-2")).describe()
    assert "X-Amz-Signature" not in str(caught.value)
    named = spec(host="localhost", port=front.port, database="postgres")
    with pytest.raises(SourceUnreachable, match="does not match host name"):
        PostgresSource("shop", named, settings(**given)).describe()
    root.run("ALTER ROLE ingest PASSWORD 'another'")
    with pytest.raises(SourceUnreachable, match="password authentication failed") as caught:
        PostgresSource("shop", declared, settings(**given)).describe()
    assert "X-Amz-Signature" not in str(caught.value)
