"""Value rules of the AWS resources that our modules make: limits and enumerations from the services' own references."""

import re
from typing import Any

from catchwater.infra.offline.rules import (
    Rule,
    address_range,
    arn,
    between,
    event_pattern,
    eventbridge_schedule,
    needed,
    one_of,
    policy,
    shape,
    true,
)

# Where CloudWatch Logs may keep things, in days; 0 is for ever.
RETENTION = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
BUCKET = shape(r"(?!xn--)(?!.*-s3alias$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "3 to 63 of a-z, 0-9 and -", "Upper_Case")
ROLE = shape(r"[\w+=,.@-]{1,64}", "1 to 64 letters, digits and +=,.@_-")
FUNCTION = shape(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, - and _")
QUEUE = shape(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo", "1 to 80 letters, digits, - and _")
TOPIC = shape(r"[A-Za-z0-9_-]{1,256}|[A-Za-z0-9_-]{1,251}\.fifo", "1 to 256 letters, digits, - and _")
RULE_NAME = shape(r"[.A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits and ._-")
RUNTIMES = one_of("python3.11", "python3.12", "python3.13", "python3.14")
LOG_GROUP = shape(r"[.\-_/#A-Za-z0-9]{1,512}", "1 to 512 letters, digits and ./_-#")
RESERVED = re.compile(
    r"AWS_(REGION|DEFAULT_REGION|ACCESS_KEY.*|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_.*)"
)


def _variables(value: Any) -> bool:
    """Lambda's own names are refused, and all of them together have 4 KB."""
    shaped = all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", name) and not RESERVED.fullmatch(name) for name in value)
    known = [str(one) for one in value.values() if isinstance(one, str)]
    return shaped and sum(map(len, [*value, *known])) <= 4096


def _redrive(value: Any) -> bool:
    import json

    found = json.loads(value)
    return set(found) >= {"deadLetterTargetArn", "maxReceiveCount"} and 1 <= int(found["maxReceiveCount"]) <= 1000


def _minutes(value: Any) -> bool:
    return 1 <= (value or 0) <= 10080


def _period(value: Any) -> bool:
    return value in (10, 20, 30) or (value >= 60 and value % 60 == 0 and value <= 86400)


ENVIRONMENT = Rule("names of letters, digits and _, none of Lambda's own, 4 KB in all", _variables, {"AWS_REGION": "x"})
INLINE, MANAGED, RESOURCE = policy(10240, False), policy(6144, False), policy(20480, True)
TRUST = policy(4096, True)

AWS: dict[str, dict[str, Rule]] = {
    "aws_s3_bucket": {"bucket": BUCKET},
    "aws_s3_bucket_policy": {"bucket": BUCKET, "policy": RESOURCE},
    "aws_s3_bucket_versioning": {"versioning_configuration.status": one_of("Enabled", "Suspended")},
    "aws_s3_bucket_public_access_block": {
        name: true("a zone is never public")
        for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    },
    "aws_s3_bucket_ownership_controls": {
        "rule.object_ownership": one_of("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
    },
    "aws_s3_bucket_server_side_encryption_configuration": {
        "rule": needed(),
        "rule.apply_server_side_encryption_by_default.sse_algorithm": one_of("AES256", "aws:kms", "aws:kms:dsse"),
    },
    "aws_s3_bucket_lifecycle_configuration": {
        "rule": needed(),
        "rule.status": one_of("Enabled", "Disabled"),
        "rule.id": shape(r".{1,255}", "1 to 255 characters", ""),
        "rule.expiration.days": between(1, 36500),
        "rule.noncurrent_version_expiration.noncurrent_days": between(1, 36500),
        "rule.abort_incomplete_multipart_upload.days_after_initiation": between(1, 36500),
    },
    "aws_s3_object": {"bucket": BUCKET, "key": shape(r"[^/].{0,1023}", "1 to 1024 characters, no / first", "/x")},
    "aws_iam_role": {
        "name": ROLE, "assume_role_policy": TRUST, "max_session_duration": between(3600, 43200),
        "description": shape(r".{0,1000}", "at most 1000 characters", "x" * 1001), "permissions_boundary": arn("iam"),
    },
    "aws_iam_role_policy": {
        "name": shape(r"[\w+=,.@-]{1,128}", "1 to 128 letters, digits and +=,.@_-"), "policy": INLINE, "role": ROLE,
    },
    "aws_iam_policy": {"name": shape(r"[\w+=,.@-]{1,128}", "1 to 128 letters, digits and +=,.@_-"), "policy": MANAGED},
    "aws_iam_role_policy_attachment": {"policy_arn": arn("iam"), "role": ROLE},
    "aws_iam_openid_connect_provider": {
        "url": shape(r"https://[a-z0-9.-]+(/[\w./-]*)?", "an https URL", "http://example.org"),
        "client_id_list.*": shape(r"\S{1,255}", "an audience without spaces", "two words"),
    },
    "aws_lambda_function": {
        "function_name": FUNCTION, "role": arn("iam"), "runtime": RUNTIMES, "memory_size": between(128, 10240),
        "timeout": between(1, 900), "architectures.*": one_of("x86_64", "arm64"),
        "handler": shape(r"[A-Za-z0-9_.-]+\.[A-Za-z0-9_]+", "module.function", "no handler"),
        "reserved_concurrent_executions": between(-1, 10000), "environment.variables": ENVIRONMENT,
        "description": shape(r".{0,256}", "at most 256 characters", "x" * 257),
        "ephemeral_storage.size": between(512, 10240), "dead_letter_config.target_arn": arn("(sqs|sns)"),
        "logging_config.log_format": one_of("Text", "JSON"), "logging_config.log_group": LOG_GROUP,
        "package_type": one_of("Zip", "Image"), "tracing_config.mode": one_of("Active", "PassThrough"),
        "source_code_hash": shape(r"[A-Za-z0-9+/]{43}=", "a SHA-256 in base64", "0" * 64),
    },
    "aws_lambda_function_event_invoke_config": {
        "maximum_retry_attempts": between(0, 2), "maximum_event_age_in_seconds": between(60, 21600),
        "destination_config.on_failure.destination": arn("(sqs|sns|lambda|events|s3)"),
    },
    "aws_lambda_function_url": {
        "authorization_type": one_of("NONE", "AWS_IAM"), "invoke_mode": one_of("BUFFERED", "RESPONSE_STREAM"),
    },
    "aws_lambda_permission": {
        "action": one_of("lambda:InvokeFunction", "lambda:InvokeFunctionUrl"),
        "principal": shape(r"\*|[a-z0-9.-]+\.amazonaws\.com|[0-9]{12}|" + "arn:.+", "a service, an account or *"),
        "function_url_auth_type": one_of("NONE", "AWS_IAM"), "source_arn": arn(),
        "statement_id": shape(r"[A-Za-z0-9_-]{1,100}", "1 to 100 letters, digits, - and _"),
    },
    "aws_lambda_event_source_mapping": {
        "event_source_arn": arn("(sqs|kinesis|dynamodb|kafka)"), "batch_size": between(1, 10000),
        "maximum_batching_window_in_seconds": between(0, 300),
        "scaling_config.maximum_concurrency": between(2, 1000),
        "function_response_types.*": one_of("ReportBatchItemFailures"),
    },
    "aws_cloudwatch_log_group": {"name": LOG_GROUP, "retention_in_days": one_of(*RETENTION)},
    "aws_cloudwatch_log_metric_filter": {
        "name": shape(r"[^:*]{1,512}", "1 to 512 characters, no : or *", "a*"), "log_group_name": LOG_GROUP,
        "metric_transformation.namespace": shape(r"(?!AWS/)[A-Za-z0-9./#_-]{1,255}", "a namespace of ours", "AWS/X"),
    },
    "aws_cloudwatch_metric_alarm": {
        "alarm_name": shape(r".{1,255}", "1 to 255 characters", ""),
        "comparison_operator": one_of(
            "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
            "LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold",
        ),
        "statistic": one_of("SampleCount", "Average", "Sum", "Minimum", "Maximum"),
        "extended_statistic": shape(r"p(\d{1,2}(\.\d{1,2})?|100)|(tm|wm|tc|ts)\d{1,2}", "a percentile such as p95"),
        "treat_missing_data": one_of("missing", "ignore", "breaching", "notBreaching"),
        "evaluation_periods": between(1, 10080), "datapoints_to_alarm": between(1, 10080),
        "period": Rule("10, 20, 30 or a multiple of 60 up to a day", _period, 61),
        "alarm_actions.*": arn(), "ok_actions.*": arn(),
        "metric_query.metric.stat": shape(r"SampleCount|Average|Sum|Minimum|Maximum|p\d+(\.\d+)?", "a statistic"),
        "metric_query.metric.period": Rule("10, 20, 30 or a multiple of 60 up to a day", _period, 61),
    },
    "aws_cloudwatch_event_rule": {
        "name": RULE_NAME, "event_pattern": event_pattern(), "schedule_expression": eventbridge_schedule(),
        "state": one_of("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),
        "description": shape(r".{0,512}", "at most 512 characters", "x" * 513),
    },
    "aws_cloudwatch_event_target": {
        "rule": RULE_NAME, "arn": arn(), "role_arn": arn("iam"), "dead_letter_config.arn": arn("sqs"),
        "target_id": shape(r"[.A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits and ._-"),
        "retry_policy.maximum_retry_attempts": between(0, 185),
        "retry_policy.maximum_event_age_in_seconds": between(60, 86400),
    },
    "aws_scheduler_schedule": {
        "name": RULE_NAME, "schedule_expression": eventbridge_schedule(), "state": one_of("ENABLED", "DISABLED"),
        "flexible_time_window.mode": one_of("OFF", "FLEXIBLE"),
        "flexible_time_window.maximum_window_in_minutes": between(1, 1440),
        "target.arn": arn(), "target.role_arn": arn("iam"), "target.dead_letter_config.arn": arn("sqs"),
        "target.retry_policy": needed("say it: the default is 185 retries over 24 hours", []),
        "target.retry_policy.maximum_retry_attempts": between(0, 185),
        "target.retry_policy.maximum_event_age_in_seconds": between(60, 86400),
    },
    "aws_sqs_queue": {
        "name": QUEUE, "message_retention_seconds": between(60, 1209600), "delay_seconds": between(0, 900),
        "visibility_timeout_seconds": between(0, 43200), "max_message_size": between(1024, 1048576),
        "receive_wait_time_seconds": between(0, 20), "policy": RESOURCE,
        "redrive_policy": Rule("JSON with deadLetterTargetArn and maxReceiveCount (1 to 1000)", _redrive, "{}"),
    },
    "aws_sqs_queue_policy": {"policy": RESOURCE},
    "aws_sns_topic": {"name": TOPIC, "policy": RESOURCE},
    "aws_sns_topic_policy": {"arn": arn("sns"), "policy": RESOURCE},
    "aws_sns_topic_subscription": {
        "topic_arn": arn("sns"),
        "protocol": one_of("sqs", "sms", "lambda", "firehose", "application", "email", "email-json", "http", "https"),
    },
    "aws_secretsmanager_secret": {
        "name": shape(r"[\w/+=.@-]{1,512}", "1 to 512 letters, digits and /_+=.@-"),
        "recovery_window_in_days": Rule("0, or 7 to 30", lambda value: value == 0 or 7 <= value <= 30, 3),
        "policy": RESOURCE,
    },
    "aws_glue_job": {
        "name": shape(r".{1,255}", "1 to 255 characters", ""), "role_arn": arn("iam"),
        "glue_version": one_of("4.0", "5.0", "5.1"),
        "worker_type": one_of("G.025X", "G.1X", "G.2X", "G.4X", "G.8X", "G.12X", "G.16X"),
        "number_of_workers": between(2, 299), "max_retries": between(0, 10),
        "timeout": Rule("say the minutes, 1 to 10080: the default is two days", _minutes, 0, needed=True),
        "execution_class": one_of("STANDARD", "FLEX"), "execution_property.max_concurrent_runs": between(1, 1000),
        "command.name": one_of("glueetl", "pythonshell", "gluestreaming", "glueray"),
        "command.script_location": shape(r"s3://.+", "an s3:// URL", "/script.py"),
        "command.python_version": one_of("3", "3.9"),
    },
    "aws_glue_trigger": {
        "type": one_of("CONDITIONAL", "EVENT", "ON_DEMAND", "SCHEDULED"), "schedule": eventbridge_schedule(),
    },
    "aws_db_instance": {
        "identifier": shape(r"[a-z](-?[a-z0-9])*", "lower-case letters, digits and -, a letter first", "1_x"),
        "engine": one_of("postgres", "mysql", "mariadb"), "allocated_storage": between(20, 65536),
        "instance_class": shape(r"db\.[a-z0-9]+\.[a-z0-9]+", "a class such as db.t4g.micro", "t4g"),
        "storage_type": one_of("gp2", "gp3", "io1", "io2", "standard"), "backup_retention_period": between(0, 35),
        "username": shape(r"(?!admin$|rdsadmin$)[A-Za-z][A-Za-z0-9_]{0,62}", "a letter first, not admin", "rdsadmin"),
        "storage_encrypted": true("a database is encrypted"), "monitoring_interval": one_of(0, 1, 5, 10, 15, 30, 60),
        "performance_insights_retention_period": Rule("7, a multiple of 31, or 731",
                                                      lambda value: value in (7, 731) or value % 31 == 0, 8),
    },
    "aws_db_subnet_group": {"name": shape(r"[a-z0-9 ._-]{1,255}", "1 to 255 of a-z, 0-9 and ._-", "Upper")},
    "aws_dynamodb_table": {
        "name": shape(r"[A-Za-z0-9_.-]{3,255}", "3 to 255 letters, digits and _.-"),
        "billing_mode": one_of("PROVISIONED", "PAY_PER_REQUEST"), "attribute.type": one_of("S", "N", "B"),
    },
    "aws_kms_key": {"deletion_window_in_days": between(7, 30), "policy": policy(32768, True)},
    "aws_kms_alias": {"name": shape(r"alias/(?!aws/)[A-Za-z0-9/_-]+", "alias/NAME", "NAME")},
    "aws_security_group": {
        "name": shape(r"(?!sg-)[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}", "1 to 255, not sg- first", "sg-1"),
        "description": shape(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{0,255}", "at most 255 plain letters", "a ' mark"),
    },
    "aws_vpc_endpoint": {
        "vpc_endpoint_type": one_of("Gateway", "Interface", "GatewayLoadBalancer", "Resource", "ServiceNetwork"),
        "service_name": shape(r"(com|aws)\.[a-z0-9.-]+", "com.amazonaws.REGION.SERVICE", "s3"),
        "vpc_id": shape(r"vpc-[0-9a-z]+", "vpc-…"), "policy": policy(20480, False),
    },
} | {
    f"aws_vpc_security_group_{way}_rule": {
        "ip_protocol": one_of("tcp", "udp", "icmp", "-1"), "from_port": between(-1, 65535),
        "to_port": between(-1, 65535), "cidr_ipv4": address_range(),
    }
    for way in ("ingress", "egress")
}  # fmt: skip
