"""Functions, who may call them, and their logs in the emulator, from planned values."""

from typing import Any

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found

GONE = "ResourceNotFoundException"


def _group(to: Account, given: Given, prior: Values | None) -> Values:
    logs, name = to.client("logs"), given["name"]
    if prior is None:
        logs.create_log_group(logGroupName=name, **given.named(kmsKeyId="kms_key_id"))
    if days := given["retention_in_days"]:
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))
    arn = f"arn:aws:logs:{to.region}:{to.account}:log-group:{name}"
    return {"id": name, "arn": arn, "log_group_class": "STANDARD", "name_prefix": ""}


def _group_now(to: Account, state: Values) -> Values | None:
    answer = to.client("logs").describe_log_groups(logGroupNamePrefix=state["name"])
    held = [one for one in answer["logGroups"] if one["logGroupName"] == state["name"]]
    return {"retention_in_days": held[0].get("retentionInDays", 0)} if held else None


def _settings(given: Given) -> dict[str, Any]:
    made = given.named(
        Role="role", Runtime="runtime", Handler="handler", MemorySize="memory_size", Timeout="timeout",
        Description="description",
    )  # fmt: skip
    made["Environment"] = {"Variables": given.block("environment")["variables"] or {}}
    if target := given.block("dead_letter_config")["target_arn"]:
        made["DeadLetterConfig"] = {"TargetArn": target}
    if group := given.block("logging_config").named(LogFormat="log_format", LogGroup="log_group"):
        made["LoggingConfig"] = group
    if size := given.block("ephemeral_storage")["size"]:
        made["EphemeralStorage"] = {"Size": int(size)}
    inside = given.block("vpc_config").named(SubnetIds="subnet_ids", SecurityGroupIds="security_group_ids")
    return made | ({"VpcConfig": inside} if inside else {})


def _function(to: Account, given: Given, prior: Values | None) -> Values:
    calls, name = to.client("lambda"), given["function_name"]
    if file := given["filename"]:
        code = {"ZipFile": (to.folder / file).read_bytes()}
    else:
        code = given.named(S3Bucket="s3_bucket", S3Key="s3_key")
    given["source_code_hash"]  # says when to upload
    settings = _settings(given)
    if prior is None:
        more = given.named(Architectures="architectures")
        answer = calls.create_function(FunctionName=name, Code=code, **settings, **more)
    else:
        calls.update_function_code(FunctionName=name, **code)
        answer = calls.update_function_configuration(FunctionName=name, **settings)
    if (most := given["reserved_concurrent_executions"]) is not None and int(most) >= 0:
        calls.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(most))
    arn = answer["FunctionArn"]
    invoke = f"arn:aws:apigateway:{to.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    return {"id": name, "arn": arn, "version": answer["Version"], "qualified_arn": f"{arn}:$LATEST",
            "invoke_arn": invoke, "code_sha256": answer.get("CodeSha256"), "last_modified": answer["LastModified"],
            "source_code_size": answer.get("CodeSize"), "package_type": "Zip"}  # fmt: skip


def _function_now(to: Account, state: Values) -> Values | None:
    held = found(to.client("lambda").get_function, GONE, FunctionName=state["function_name"])
    if held is None:
        return None
    answer = held["Configuration"]
    return {"role": answer["Role"], "runtime": answer["Runtime"], "handler": answer["Handler"],
            "memory_size": answer["MemorySize"], "timeout": answer["Timeout"],
            "environment": [{"variables": answer["Environment"]["Variables"]}]
            if answer.get("Environment", {}).get("Variables") else []}  # fmt: skip


def _permission(to: Account, given: Given, prior: Values | None) -> Values:
    more = given.named(SourceArn="source_arn", SourceAccount="source_account",
                       FunctionUrlAuthType="function_url_auth_type")  # fmt: skip
    if prior is None:
        to.client("lambda").add_permission(
            FunctionName=given["function_name"], StatementId=given["statement_id"], Action=given["action"],
            Principal=given["principal"], **more,
        )  # fmt: skip
    return {"id": given["statement_id"]}


def _permission_now(to: Account, state: Values) -> Values | None:
    import json

    answer = found(to.client("lambda").get_policy, GONE, FunctionName=state["function_name"])
    held = json.loads(answer["Policy"])["Statement"] if answer else []
    return {} if any(one["Sid"] == state["statement_id"] for one in held) else None


def _unpermit(to: Account, state: Values) -> None:
    name, statement = state["function_name"], state["statement_id"]
    to.client("lambda").remove_permission(FunctionName=name, StatementId=statement)


def _asynchronous(to: Account, given: Given, _: Values | None) -> Values:
    failed = given.block("destination_config").block("on_failure")["destination"]
    more = given.named(
        MaximumRetryAttempts="maximum_retry_attempts", MaximumEventAgeInSeconds="maximum_event_age_in_seconds"
    )
    ends = {"DestinationConfig": {"OnFailure": {"Destination": failed}}} if failed else {}
    to.client("lambda").put_function_event_invoke_config(FunctionName=given["function_name"], **more, **ends)
    return {"id": given["function_name"]}


def _asynchronous_now(to: Account, state: Values) -> Values | None:
    get = to.client("lambda").get_function_event_invoke_config
    answer = found(get, GONE, FunctionName=state["function_name"])
    return answer and {"maximum_retry_attempts": answer["MaximumRetryAttempts"]}


def _drop(service: str, call: str, **names: str) -> Any:
    return lambda to, state: getattr(to.client(service), call)(**{api: state[name] for api, name in names.items()})


KINDS = {
    "aws_cloudwatch_log_group": Kind(_group, _group_now, _drop("logs", "delete_log_group", logGroupName="name")),
    "aws_lambda_function": Kind(
        _function, _function_now, _drop("lambda", "delete_function", FunctionName="function_name")
    ),
    "aws_lambda_permission": Kind(_permission, _permission_now, _unpermit),
    "aws_lambda_function_event_invoke_config": Kind(
        _asynchronous, _asynchronous_now,
        _drop("lambda", "delete_function_event_invoke_config", FunctionName="function_name"),
    ),
}  # fmt: skip
