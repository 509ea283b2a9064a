"""Buckets and objects in the emulator, from planned values."""

import hashlib
from typing import Any

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found

GONE = ("NoSuchBucket", "404", "NoSuchKey", "NotFound")


def _bucket(to: Account, given: Given, prior: Values | None) -> Values:
    name = given["bucket"]
    where = {} if to.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": to.region}}
    if prior is None:
        to.client("s3").create_bucket(Bucket=name, **where)
    return {"id": name, "arn": f"arn:aws:s3:::{name}", "bucket_region": to.region,
            "bucket_domain_name": f"{name}.s3.amazonaws.com",
            "bucket_regional_domain_name": f"{name}.s3.{to.region}.amazonaws.com"}  # fmt: skip


def _bucket_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("s3").head_bucket, *GONE, Bucket=state["bucket"])
    return None if answer is None else {"bucket": state["bucket"]}


def _versioning(to: Account, given: Given, _: Values | None) -> Values:
    status = given.block("versioning_configuration")["status"]
    to.client("s3").put_bucket_versioning(Bucket=given["bucket"], VersioningConfiguration={"Status": status})
    return {"id": given["bucket"]}


def _versioning_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("s3").get_bucket_versioning, *GONE, Bucket=state["bucket"])
    return answer and {"versioning_configuration": [{"status": answer.get("Status", "Disabled")}]}


_BLOCKS = {"BlockPublicAcls": "block_public_acls", "BlockPublicPolicy": "block_public_policy",
           "IgnorePublicAcls": "ignore_public_acls", "RestrictPublicBuckets": "restrict_public_buckets"}  # fmt: skip


def _public(to: Account, given: Given, _: Values | None) -> Values:
    rules = {api: bool(given[name]) for api, name in _BLOCKS.items()}
    to.client("s3").put_public_access_block(Bucket=given["bucket"], PublicAccessBlockConfiguration=rules)
    return {"id": given["bucket"]}


def _public_now(to: Account, state: Values) -> Values | None:
    gone = (*GONE, "NoSuchPublicAccessBlockConfiguration")
    answer = found(to.client("s3").get_public_access_block, *gone, Bucket=state["bucket"])
    return answer and {name: answer["PublicAccessBlockConfiguration"][api] for api, name in _BLOCKS.items()}


def _encryption(to: Account, given: Given, _: Values | None) -> Values:
    rules = []
    for rule in given.blocks("rule"):
        default = rule.block("apply_server_side_encryption_by_default")
        by = default.named(SSEAlgorithm="sse_algorithm", KMSMasterKeyID="kms_master_key_id")
        rules.append({"ApplyServerSideEncryptionByDefault": by, "BucketKeyEnabled": bool(rule["bucket_key_enabled"])})
    to.client("s3").put_bucket_encryption(Bucket=given["bucket"], ServerSideEncryptionConfiguration={"Rules": rules})
    return {"id": given["bucket"]}


def _encryption_now(to: Account, state: Values) -> Values | None:
    gone = (*GONE, "ServerSideEncryptionConfigurationNotFoundError")
    answer = found(to.client("s3").get_bucket_encryption, *gone, Bucket=state["bucket"])
    if answer is None:
        return None
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    algorithms = [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules]
    inner = "apply_server_side_encryption_by_default"
    return {"rule": [{inner: [{"sse_algorithm": algorithm}]} for algorithm in algorithms]}


def _policy(to: Account, given: Given, _: Values | None) -> Values:
    to.client("s3").put_bucket_policy(Bucket=given["bucket"], Policy=given["policy"])
    return {"id": given["bucket"]}


def _policy_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("s3").get_bucket_policy, *GONE, "NoSuchBucketPolicy", Bucket=state["bucket"])
    return answer and {"policy": answer["Policy"]}


def _lifecycle(to: Account, given: Given, _: Values | None) -> Values:
    rules = [_rule(rule) for rule in given.blocks("rule")]
    to.client("s3").put_bucket_lifecycle_configuration(Bucket=given["bucket"], LifecycleConfiguration={"Rules": rules})
    return {"id": given["bucket"]}


def _rule(rule: Given) -> dict[str, Any]:
    made: dict[str, Any] = rule.named(ID="id", Status="status")
    made["Filter"] = {"Prefix": rule.block("filter")["prefix"] or ""}
    if cut := rule.block("abort_incomplete_multipart_upload")["days_after_initiation"]:
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": int(cut)}
    if days := rule.block("noncurrent_version_expiration")["noncurrent_days"]:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(days)}
    if days := rule.block("expiration")["days"]:
        made["Expiration"] = {"Days": int(days)}
    return made


def _lifecycle_now(to: Account, state: Values) -> Values | None:
    gone = (*GONE, "NoSuchLifecycleConfiguration")
    answer = found(to.client("s3").get_bucket_lifecycle_configuration, *gone, Bucket=state["bucket"])
    return answer and {"rule": [{"id": rule["ID"], "status": rule["Status"]} for rule in answer["Rules"]]}


def _notification(to: Account, given: Given, _: Values | None) -> Values:
    wanted: dict[str, Any] = {"EventBridgeConfiguration": {}} if given["eventbridge"] else {}
    to.client("s3").put_bucket_notification_configuration(Bucket=given["bucket"], NotificationConfiguration=wanted)
    return {"id": given["bucket"]}


def _notification_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("s3").get_bucket_notification_configuration, *GONE, Bucket=state["bucket"])
    return None if answer is None else {"eventbridge": "EventBridgeConfiguration" in answer}


def _object(to: Account, given: Given, _: Values | None) -> Values:
    source, content = given["source"], given["content"]
    body = (to.folder / source).read_bytes() if source else (content or "").encode()
    given["source_hash"]  # says when to upload, and is nothing of the object itself
    more = given.named(ContentType="content_type")
    answer = to.client("s3").put_object(Bucket=given["bucket"], Key=given["key"], Body=body, **more)
    name = f"{given['bucket']}/{given['key']}"
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    kind = more.get("ContentType", "application/octet-stream")
    said = {"etag": etag, "content_type": kind, "version_id": answer.get("VersionId"), "storage_class": "STANDARD"}
    return {"id": name, "arn": f"arn:aws:s3:::{name}", **said}


def _object_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("s3").head_object, *GONE, Bucket=state["bucket"], Key=state["key"])
    return answer and {"etag": answer["ETag"].strip('"')}


def _drop(call: str, **names: str) -> Any:
    return lambda to, state: getattr(to.client("s3"), call)(**{api: state[name] for api, name in names.items()})


KINDS = {
    "aws_s3_bucket": Kind(_bucket, _bucket_now, _drop("delete_bucket", Bucket="bucket")),
    "aws_s3_bucket_versioning": Kind(_versioning, _versioning_now, lambda *_: None),
    "aws_s3_bucket_public_access_block": Kind(
        _public, _public_now, _drop("delete_public_access_block", Bucket="bucket")
    ),
    "aws_s3_bucket_server_side_encryption_configuration": Kind(
        _encryption, _encryption_now, _drop("delete_bucket_encryption", Bucket="bucket")
    ),
    "aws_s3_bucket_policy": Kind(_policy, _policy_now, _drop("delete_bucket_policy", Bucket="bucket")),
    "aws_s3_bucket_lifecycle_configuration": Kind(
        _lifecycle, _lifecycle_now, _drop("delete_bucket_lifecycle", Bucket="bucket")
    ),
    "aws_s3_bucket_notification": Kind(_notification, _notification_now, lambda *_: None),
    "aws_s3_object": Kind(_object, _object_now, _drop("delete_object", Bucket="bucket", Key="key")),
}
