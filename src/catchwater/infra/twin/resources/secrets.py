"""Secrets in the emulator, from planned values; a value that is only written reaches it and no state."""

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found

GONE = "ResourceNotFoundException"


def _secret(to: Account, given: Given, prior: Values | None) -> Values:
    if prior is not None:
        return {}
    more = given.named(Description="description", KmsKeyId="kms_key_id")
    given["recovery_window_in_days"]  # only when it is deleted
    arn = to.client("secretsmanager").create_secret(Name=given["name"], **more)["ARN"]
    return {"id": arn, "arn": arn, "name_prefix": ""}


def _secret_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("secretsmanager").describe_secret, GONE, SecretId=state["arn"])
    return answer and {"name": answer["Name"], "description": answer.get("Description") or None}


def _version(to: Account, given: Given, prior: Values | None) -> Values:
    given["secret_string_wo_version"]
    value = given["secret_string_wo"] or given["secret_string"]
    answer = to.client("secretsmanager").put_secret_value(SecretId=given["secret_id"], SecretString=value)
    return {"id": f"{answer['ARN']}|{answer['VersionId']}", "arn": answer["ARN"], "version_id": answer["VersionId"],
            "version_stages": answer["VersionStages"], "has_secret_string_wo": True}  # fmt: skip


def _version_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("secretsmanager").describe_secret, GONE, SecretId=state["secret_id"])
    held = (answer or {}).get("VersionIdsToStages", {})
    return {} if state.get("version_id") in held else None


def _drop(to: Account, state: Values) -> None:
    to.client("secretsmanager").delete_secret(SecretId=state["arn"], ForceDeleteWithoutRecovery=True)


KINDS = {
    "aws_secretsmanager_secret": Kind(_secret, _secret_now, _drop),
    "aws_secretsmanager_secret_version": Kind(_version, _version_now, lambda *_: None),
}
