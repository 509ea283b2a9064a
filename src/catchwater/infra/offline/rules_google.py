"""Value rules of the Google resources that our modules make: limits and enumerations, what the schema leaves open."""

import json
import re
from typing import Any

from catchwater.infra.offline.rules import (
    Rule,
    between,
    crontab,
    member,
    memory,
    needed,
    one_of,
    seconds,
    shape,
    true,
)

PROJECT = shape(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "6 to 30 of a-z, 0-9 and -", "Project_1")
REGION = shape(r"[a-z]+-[a-z]+[0-9]{1,2}", "a region such as europe-west2", "Europe")
LOCATION = shape(r"[A-Za-z]+(-[a-z]+[0-9]{1,2})?|[A-Za-z]{2}", "a region or a multi-region", "1")
NAME = shape(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "1 to 63 of a-z, 0-9 and -, a letter first", "Upper_Case")
SERVICE = shape(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?", "1 to 49 of a-z, 0-9 and -, a letter first", "Upper_Case")
BUCKET = shape(r"(?!goog)(?!.*google)[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]", "3 to 63 of a-z, 0-9, -, _ and .", "Upper")
RESOURCE = shape(r"(?!goog)[A-Za-z][A-Za-z0-9_.~+%-]{2,254}", "3 to 255 characters, a letter first, not goog", "1x")
BUILDER = shape(r"projects/[^/]+/serviceAccounts/[^@\s]+@[a-z0-9.-]+", "projects/P/serviceAccounts/E")
TOPIC = shape(r"(projects/[^/]+/topics/)?(?!goog)[A-Za-z][A-Za-z0-9_.~+%-]{2,254}", "a topic's name or id", "1x")
ROLE = shape(
    r"roles/[A-Za-z0-9.]+|(projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]+", "a role such as roles/run.invoker"
)
ACCOUNT = shape(r"[a-z]([a-z0-9-]{4,28}[a-z0-9])", "6 to 30 of a-z, 0-9 and -, a letter first", "Bad_Id")
EMAIL = shape(r"(projects/[^/]+/serviceAccounts/)?[^@\s/]+@[a-z0-9.-]+", "a service account's e-mail", "nobody")
TTL = Rule(
    'say it: subscriptions expire after 31 idle days unless ttl is ""', lambda value: value is not None, None, True
)
KEY = shape(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+", "a key's id", "key")
VARIABLE = shape(r"(?!X_GOOGLE_)[A-Za-z_][A-Za-z0-9_]*", "a variable's name", "1-x")
IMAGE = shape(r"[a-z0-9.-]+(/[\w.~-]+)+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", "an image's address", "no image!")


def _tables(value: Any) -> bool:
    fields = json.loads(value)
    return bool(fields) and all({"name", "type"} <= set(one) for one in fields)


def _secret_label(value: Any) -> bool:
    return all(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) and re.fullmatch(r"[a-z0-9_-]{0,63}", str(one))
               for key, one in value.items())  # fmt: skip


LABELS = Rule("labels of a-z, 0-9, - and _, at most 63 characters", _secret_label, {"Upper": "X"})
COLUMNS = Rule("JSON: a list of fields with name and type", _tables, '[{"name": "x"}]')


def _iam(**more: Rule) -> dict[str, Rule]:
    """A member, a role, and, where there is a condition, its title of at most 100 characters."""
    return {"role": ROLE, "member": member(), "condition.title": shape(r".{1,100}", "1 to 100 characters", ""), **more}


def _containers(lead: str) -> dict[str, Rule]:
    return {
        f"{lead}.service_account": EMAIL,
        f"{lead}.containers": needed(wrong=[]),
        f"{lead}.containers.image": IMAGE,
        f"{lead}.containers.env.name": VARIABLE,
    }


GOOGLE: dict[str, dict[str, Rule]] = {
    "google_project_service": {
        "service": shape(r"[a-z0-9]+\.googleapis\.com", "SERVICE.googleapis.com", "run"), "project": PROJECT,
    },
    "google_project_iam_member": _iam(),
    "google_service_account": {"account_id": ACCOUNT, "display_name": shape(r".{0,100}", "at most 100", "x" * 101),
                               "description": shape(r".{0,256}", "at most 256 characters", "x" * 257)},
    "google_service_account_iam_member": _iam(service_account_id=EMAIL),
    "google_project_iam_custom_role": {
        "role_id": shape(r"[A-Za-z0-9_.]{3,64}", "3 to 64 letters, digits, _ and .", "a-b"),
        "permissions.*": shape(r"[a-z0-9]+\.[A-Za-z0-9]+\.[A-Za-z0-9]+", "service.resource.verb", "everything"),
        "stage": one_of("ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"),
    },
    "google_storage_bucket": {
        "name": BUCKET, "location": LOCATION, "uniform_bucket_level_access": true("access is by IAM alone"),
        "public_access_prevention": one_of("enforced"),
        "storage_class": one_of("STANDARD", "MULTI_REGIONAL", "REGIONAL", "NEARLINE", "COLDLINE", "ARCHIVE"),
        "lifecycle_rule.action.type": one_of("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"),
        "lifecycle_rule.condition.age": between(0, 36500), "labels": LABELS,
        "lifecycle_rule.condition.with_state": one_of("LIVE", "ARCHIVED", "ANY"),
        "encryption.default_kms_key_name": KEY,
    },
    "google_storage_bucket_iam_member": _iam(bucket=BUCKET),
    "google_storage_bucket_object": {
        "bucket": BUCKET, "name": shape(r"[^\r\n]{1,1024}", "1 to 1024 characters, one line", ""),
    },
    "google_storage_notification": {
        "payload_format": one_of("JSON_API_V1", "NONE"), "bucket": BUCKET,
        "event_types.*": one_of("OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE"),
    },
    "google_pubsub_topic": {"name": RESOURCE, "message_retention_duration": seconds(600, 2678400), "labels": LABELS},
    "google_pubsub_subscription": {
        "name": RESOURCE, "topic": TOPIC, "ack_deadline_seconds": between(10, 600),
        "message_retention_duration": seconds(600, 2678400), "expiration_policy": needed(TTL.says, []),
        "expiration_policy.ttl": TTL, "retry_policy.minimum_backoff": seconds(0, 600),
        "retry_policy.maximum_backoff": seconds(0, 600), "dead_letter_policy.max_delivery_attempts": between(5, 100),
        "dead_letter_policy.dead_letter_topic": TOPIC,
        "push_config.push_endpoint": shape(r"https://\S+", "an https URL", "http://example.org"),
    },
    "google_pubsub_topic_iam_member": _iam(topic=TOPIC),
    "google_pubsub_subscription_iam_member": _iam(),
    "google_cloudfunctions2_function": {
        "name": NAME, "location": REGION, "build_config": needed(wrong=[]), "service_config": needed(wrong=[]),
        "build_config.runtime": one_of("python311", "python312", "python313", "python314"),
        "build_config.entry_point": shape(r"[A-Za-z_][A-Za-z0-9_.]*", "a function's name", "1"),
        "build_config.service_account": needed("name the account that builds", None),
        "build_config.source": needed(wrong=[]), "service_config.available_memory": memory(128, 32768),
        "service_config.timeout_seconds": between(1, 3600), "service_config.max_instance_count": between(1, 1000),
        "service_config.min_instance_count": between(0, 1000), "service_config.service_account_email": EMAIL,
        "service_config.max_instance_request_concurrency": between(1, 1000),
        "service_config.available_cpu": shape(r"[0-9]+(\.[0-9]+)?m?", "a number of processors", "one"),
        "service_config.ingress_settings": one_of("ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"),
        "event_trigger.retry_policy": one_of("RETRY_POLICY_RETRY", "RETRY_POLICY_DO_NOT_RETRY"),
        "event_trigger.event_type": shape(r"google(\.[A-Za-z0-9]+)+\.v1\.[A-Za-z.]+", "an event type of Google"),
        "event_trigger.pubsub_topic": TOPIC, "event_trigger.service_account_email": EMAIL,
    },
    "google_cloud_run_v2_service": {
        "name": SERVICE, "location": REGION, "template": needed(wrong=[]), **_containers("template"),
        "deletion_protection": needed("say whether it is protected"),
        "ingress": one_of("INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY",
                          "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", "INGRESS_TRAFFIC_NONE"),
        "template.timeout": seconds(1, 3600), "template.max_instance_request_concurrency": between(1, 1000),
        "template.scaling.min_instance_count": between(0, 1000),
        "template.scaling.max_instance_count": between(1, 1000),
        "template.containers.resources.limits.memory": memory(128, 32768),
        "template.execution_environment": one_of("EXECUTION_ENVIRONMENT_GEN1", "EXECUTION_ENVIRONMENT_GEN2"),
    },
    "google_cloud_run_v2_job": {
        "name": NAME, "location": REGION, "template": needed(wrong=[]), **_containers("template.template"),
        "deletion_protection": needed("say whether it is protected"), "template.template.timeout": seconds(1, 604800),
        "template.template.max_retries": between(0, 10), "template.task_count": between(1, 10000),
        "template.template.containers.resources.limits.memory": memory(512, 32768),
    },
    "google_cloud_run_v2_service_iam_member": _iam(location=REGION),
    "google_cloud_run_v2_job_iam_member": _iam(location=REGION),
    "google_cloud_scheduler_job": {
        "name": shape(r"[A-Za-z0-9_-]{1,500}", "1 to 500 letters, digits, - and _"), "region": REGION,
        "schedule": Rule(crontab().says, crontab().holds, crontab().wrong, needed=True),
        "time_zone": shape(r"[A-Za-z_]+(/[A-Za-z_+0-9-]+)*", "a zone such as Europe/London", "1"),
        "attempt_deadline": seconds(15, 1800), "retry_config.retry_count": between(0, 5),
        "http_target.uri": shape(r"https://\S+", "an https URL", "run.googleapis.com"),
        "http_target.http_method": one_of("POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"),
        "http_target.oauth_token.service_account_email": EMAIL, "http_target.oidc_token.service_account_email": EMAIL,
        "pubsub_target.topic_name": shape(r"projects/[^/]+/topics/.+", "projects/P/topics/T", "topic"),
    },
    "google_eventarc_trigger": {
        "name": NAME, "location": shape(r"[a-z]+-[a-z]+[0-9]{1,2}|global|eu|us", "a region, eu, us, global", "London"),
        "service_account": Rule("name the account that calls", EMAIL.holds, "nobody", needed=True),
        "destination": needed(wrong=[]), "destination.cloud_run_service.service": SERVICE,
        "matching_criteria.operator": one_of("match-path-pattern"),
        "matching_criteria.attribute": shape(r"[a-z]+", "an attribute such as type", "Type!"),
        "retry_policy.max_attempts": one_of(1),
    },
    "google_bigquery_dataset": {
        "dataset_id": shape(r"[A-Za-z0-9_]{1,1024}", "letters, digits and _", "a-b"), "location": LOCATION,
        "default_table_expiration_ms": between(3600000, 1e15),
        "max_time_travel_hours": between(48, 168), "labels": LABELS,
    },
    "google_bigquery_dataset_iam_member": _iam(),
    "google_bigquery_table": {
        "table_id": shape(r"[^\x00-\x1f/.]{1,1024}", "1 to 1024 characters", ""), "schema": COLUMNS,
        "deletion_protection": needed("say whether it is protected"),
        "time_partitioning.type": one_of("HOUR", "DAY", "MONTH", "YEAR"), "labels": LABELS,
    },
    "google_bigquery_table_iam_member": _iam(),
    "google_artifact_registry_repository": {
        "repository_id": NAME, "location": LOCATION,
        "format": one_of("DOCKER", "PYTHON", "GENERIC", "NPM", "MAVEN", "APT", "YUM", "GO", "KFP"),
        "cleanup_policies.action": one_of("DELETE", "KEEP"),
    },
    "google_artifact_registry_repository_iam_member": _iam(),
    "google_secret_manager_secret": {
        "secret_id": shape(r"[A-Za-z0-9_-]{1,255}", "1 to 255 letters, digits, - and _"), "labels": LABELS,
        "replication": needed(wrong=[]),
    },
    "google_secret_manager_secret_iam_member": _iam(),
    "google_cloudbuild_trigger": {
        "name": shape(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?", "1 to 64 letters, digits and -", "a_b"),
        "service_account": Rule("name the account that builds, by its id", BUILDER.holds, "nobody", needed=True),
        "github.push.branch": shape(r"\^?[\w./*()|\\-]+\$?", "a pattern of branches", ""),
    },
    "google_iam_workload_identity_pool": {
        "workload_identity_pool_id": shape(r"(?!gcp-)[a-z0-9-]{4,32}", "4 to 32 of a-z, 0-9 and -, not gcp-", "gcp-x"),
    },
    "google_iam_workload_identity_pool_provider": {
        "workload_identity_pool_provider_id": shape(r"(?!gcp-)[a-z0-9-]{4,32}", "4 to 32 of a-z, 0-9 and -", "gcp-x"),
        "attribute_condition": needed("an empty condition accepts everybody", ""),
        "aws.account_id": shape(r"[0-9]{12}", "an account number of 12 digits", "12"),
        "oidc.issuer_uri": shape(r"https://\S+", "an https URL", "http://example.org"),
    },
    "google_monitoring_alert_policy": {
        "combiner": one_of("AND", "OR", "AND_WITH_MATCHING_RESOURCE"),
        "severity": one_of("CRITICAL", "ERROR", "WARNING"), "conditions": needed(wrong=[]),
        "conditions.condition_threshold.comparison": one_of("COMPARISON_GT", "COMPARISON_LT"),
        "conditions.condition_threshold.duration": seconds(0, 84600),
        "conditions.condition_absent.duration": seconds(120, 84600),
        "conditions.condition_threshold.filter": needed(wrong=""),
        "conditions.condition_threshold.aggregations.alignment_period": seconds(60, 90000),
        "conditions.condition_absent.aggregations.alignment_period": seconds(60, 90000),
        "alert_strategy.auto_close": seconds(1800, 604800),
    },
    "google_monitoring_notification_channel": {
        "type": one_of("email", "slack", "sms", "pagerduty", "pubsub", "webhook_tokenauth", "webhook_basicauth"),
    },
    "google_logging_metric": {
        "name": shape(r"[A-Za-z0-9_.,+!*',()%/-]{1,100}", "1 to 100 characters"), "filter": needed(wrong=""),
        "metric_descriptor.metric_kind": one_of("DELTA", "GAUGE", "CUMULATIVE"),
        "metric_descriptor.value_type": one_of("BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION", "MONEY"),
    },
}  # fmt: skip
