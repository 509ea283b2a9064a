"""How a database on Amazon RDS is entered without a password: a signed token, and TLS by RDS's own authorities."""

import re
from collections.abc import Mapping
from importlib.resources import files

from catchwater.adapters.aws import region, session
from catchwater.errors import SourceRefused

SECONDS = 900  # a token opens connections for that long; one that is open stays open
CERTIFICATES = "PGSSLROOTCERT"  # libpq's own variable: for a region whose authorities aren't bundled


def login(name: str, parts: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The password of one connection and how TLS is checked, for `auth: rds_iam`; signed here, nothing is asked.

    Raises SourceRefused when user, region or credentials are missing, MissingExtra.
    """
    if not parts.get("user"):
        raise SourceRefused("auth: rds_iam needs a user", where=f"source {name}", next_step="user: NAME")
    place = _region(parts["host"]) or region(variables)
    if not place:
        step = "set AWS_REGION"
        raise SourceRefused("the region of its database isn't known", where=f"source {name}", next_step=step)
    given = {"sslmode": "verify-full", "sslrootcert": variables.get(CERTIFICATES) or bundled()}
    return {"password": token(name, parts, place, variables), **given}


def bundled() -> str:
    """The path of RDS's certificate authorities."""
    return str(files("catchwater.adapters.sources") / "rds-ca.pem")


def token(name: str, parts: Mapping[str, str], place: str, variables: Mapping[str, str]) -> str:
    """What RDS takes for a password: a presigned request that is never sent.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
    """
    opened = session(variables)
    from botocore.awsrequest import prepare_request_dict
    from botocore.model import ServiceId
    from botocore.signers import RequestSigner

    keys = opened.get_credentials()
    if keys is None:
        step = "let the step run under its role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise SourceRefused("there are no AWS credentials to sign with", where=f"source {name}", next_step=step)
    signer = RequestSigner(ServiceId("RDS"), place, "rds-db", "v4", keys, opened.events)
    body = {"Action": "connect", "DBUser": parts["user"]}
    request = {"url_path": "/", "query_string": "", "headers": {}, "body": body, "method": "GET"}
    prepare_request_dict(request, f"https://{parts['host']}:{parts.get('port', '5432')}")
    url: str = signer.generate_presigned_url(request, operation_name="connect", expires_in=SECONDS)
    return url.removeprefix("https://")


def _region(host: str) -> str:
    """Of `db.x.eu-west-2.rds.amazonaws.com`; empty for another name (an alias, a proxy of one's own)."""
    match = re.search(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com(?:\.cn)?$", host)
    return match[1] if match else ""
