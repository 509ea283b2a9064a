"""Which actions the provider calls for each resource type, and on what; facts of AWS and its Terraform provider alone.

Where a service has more than the provider calls, the rest is left out. A type that isn't here can't be compiled.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Right:
    """Actions on one kind of thing (a key of `apply.PATTERNS`); `write` is what making, changing and deleting need."""

    on: str
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


def _of(on: str, service: str, read: str = "", write: str = "") -> Right:
    return Right(
        on, tuple(f"{service}:{one}" for one in read.split()), tuple(f"{service}:{one}" for one in write.split())
    )


_TAGS = "TagResource UntagResource"
_ADDRESS = "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateTags"
_BUCKET = (
    "GetAccelerateConfiguration GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging "
    "GetBucketObjectLockConfiguration GetBucketPolicy GetBucketRequestPayment GetBucketTagging GetBucketVersioning "
    "GetBucketWebsite GetEncryptionConfiguration GetLifecycleConfiguration GetReplicationConfiguration ListBucket "
    "ListTagsForResource"
)
# services that a role is handed to, by the type that takes it
PASSED = {
    "aws_lambda_function": "lambda.amazonaws.com",
    "aws_scheduler_schedule": "scheduler.amazonaws.com",
    "aws_cloudwatch_event_target": "events.amazonaws.com",
    "aws_glue_job": "glue.amazonaws.com",
}

RIGHTS: dict[str, tuple[Right, ...]] = {
    "aws_s3_bucket": (_of("bucket", "s3", _BUCKET, f"CreateBucket DeleteBucket PutBucketTagging {_TAGS}"),),
    "aws_s3_bucket_versioning": (_of("bucket", "s3", "GetBucketVersioning", "PutBucketVersioning"),),
    "aws_s3_bucket_public_access_block": (
        _of("bucket", "s3", "GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ),
    "aws_s3_bucket_server_side_encryption_configuration": (
        _of("bucket", "s3", "GetEncryptionConfiguration", "PutEncryptionConfiguration"),
    ),
    "aws_s3_bucket_policy": (_of("bucket", "s3", "GetBucketPolicy", "DeleteBucketPolicy PutBucketPolicy"),),
    "aws_s3_bucket_lifecycle_configuration": (
        _of("bucket", "s3", "GetLifecycleConfiguration", "PutLifecycleConfiguration"),
    ),
    "aws_s3_bucket_notification": (_of("bucket", "s3", "GetBucketNotification", "PutBucketNotification"),),
    "aws_s3_object": (
        _of("bucket", "s3", "ListBucket", "ListBucketVersions"),
        _of(
            "object",
            "s3",
            "GetObject GetObjectTagging",
            "DeleteObject DeleteObjectTagging DeleteObjectVersion PutObject PutObjectTagging",
        ),
    ),
    "aws_secretsmanager_secret": (
        _of(
            "secret",
            "secretsmanager",
            "DescribeSecret GetResourcePolicy",
            f"CreateSecret DeleteSecret RestoreSecret UpdateSecret {_TAGS}",
        ),
    ),
    "aws_secretsmanager_secret_version": (
        _of("secret", "secretsmanager", "ListSecretVersionIds", "PutSecretValue UpdateSecretVersionStage"),
    ),
    "aws_cloudwatch_log_group": (
        _of("nothing", "logs", "DescribeLogGroups"),
        _of(
            "log group",
            "logs",
            "ListTagsForResource",
            f"CreateLogGroup DeleteLogGroup DeleteRetentionPolicy PutRetentionPolicy {_TAGS}",
        ),
    ),
    "aws_sqs_queue": (
        _of(
            "queue",
            "sqs",
            "GetQueueAttributes GetQueueUrl ListQueueTags",
            "CreateQueue DeleteQueue SetQueueAttributes TagQueue UntagQueue",
        ),
    ),
    "aws_sqs_queue_policy": (_of("queue", "sqs", "GetQueueAttributes", "SetQueueAttributes"),),
    "aws_iam_role": (
        _of(
            "role",
            "iam",
            "GetRole ListAttachedRolePolicies ListInstanceProfilesForRole ListRolePolicies ListRoleTags",
            "CreateRole DeleteRole TagRole UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription",
        ),
    ),
    "aws_iam_role_policy": (
        _of("role", "iam", "GetRole GetRolePolicy ListRolePolicies", "DeleteRolePolicy PutRolePolicy"),
    ),
    "aws_iam_policy": (
        _of(
            "policy",
            "iam",
            "GetPolicy GetPolicyVersion ListPolicyTags ListPolicyVersions",
            "CreatePolicy CreatePolicyVersion DeletePolicy DeletePolicyVersion TagPolicy UntagPolicy",
        ),
    ),
    "aws_iam_role_policy_attachment": (
        _of("role", "iam", "ListAttachedRolePolicies", "AttachRolePolicy DetachRolePolicy"),
    ),
    "aws_iam_openid_connect_provider": (
        _of(
            "provider",
            "iam",
            "GetOpenIDConnectProvider ListOpenIDConnectProviderTags",
            "AddClientIDToOpenIDConnectProvider CreateOpenIDConnectProvider DeleteOpenIDConnectProvider "
            "RemoveClientIDFromOpenIDConnectProvider TagOpenIDConnectProvider UntagOpenIDConnectProvider "
            "UpdateOpenIDConnectProviderThumbprint",
        ),
    ),
    "aws_lambda_function": (
        _of(
            "function",
            "lambda",
            "GetFunction GetFunctionCodeSigningConfig GetFunctionConcurrency ListTags ListVersionsByFunction",
            "CreateFunction DeleteFunction DeleteFunctionConcurrency PutFunctionConcurrency TagResource UntagResource "
            "UpdateFunctionCode UpdateFunctionConfiguration",
        ),
        _of("archive", "s3", "", "GetObject"),
        _of("nothing", "ec2", "", "DescribeSecurityGroups DescribeSubnets DescribeVpcs"),  # asked for in a VPC
    ),
    "aws_lambda_function_event_invoke_config": (
        _of(
            "function",
            "lambda",
            "GetFunctionEventInvokeConfig",
            "DeleteFunctionEventInvokeConfig PutFunctionEventInvokeConfig",
        ),
    ),
    "aws_lambda_permission": (_of("function", "lambda", "GetPolicy", "AddPermission RemovePermission"),),
    "aws_lambda_function_url": (
        _of(
            "function",
            "lambda",
            "GetFunctionUrlConfig",
            "CreateFunctionUrlConfig DeleteFunctionUrlConfig UpdateFunctionUrlConfig",
        ),
    ),
    "aws_lambda_event_source_mapping": (
        _of(
            "mapping",
            "lambda",
            "GetEventSourceMapping",
            "DeleteEventSourceMapping UpdateEventSourceMapping",
        ),
        _of("mapping tags", "lambda", "ListTags", _TAGS),
        _of("new mapping", "lambda", "", "CreateEventSourceMapping"),
    ),
    "aws_scheduler_schedule": (
        _of("schedule", "scheduler", "GetSchedule", "CreateSchedule DeleteSchedule UpdateSchedule"),
    ),
    "aws_cloudwatch_event_rule": (
        _of("rule", "events", "DescribeRule ListTagsForResource", f"DeleteRule DisableRule EnableRule PutRule {_TAGS}"),
    ),
    "aws_cloudwatch_event_target": (_of("rule", "events", "ListTargetsByRule", "PutTargets RemoveTargets"),),
    "aws_glue_job": (_of("job", "glue", "GetJob GetTags", f"CreateJob DeleteJob UpdateJob {_TAGS}"),),
    "aws_glue_workflow": (
        _of("workflow", "glue", "GetTags GetWorkflow", f"CreateWorkflow DeleteWorkflow UpdateWorkflow {_TAGS}"),
    ),
    "aws_glue_trigger": (
        _of(
            "trigger",
            "glue",
            "GetTags GetTrigger",
            f"CreateTrigger DeleteTrigger StartTrigger StopTrigger UpdateTrigger {_TAGS}",
        ),
    ),
    "aws_sns_topic": (
        _of(
            "topic",
            "sns",
            "GetTopicAttributes ListTagsForResource",
            f"CreateTopic DeleteTopic SetTopicAttributes {_TAGS}",
        ),
    ),
    "aws_sns_topic_policy": (_of("topic", "sns", "GetTopicAttributes", "SetTopicAttributes"),),
    "aws_sns_topic_subscription": (
        _of("topic", "sns", "GetSubscriptionAttributes", "SetSubscriptionAttributes Subscribe Unsubscribe"),
    ),
    "aws_cloudwatch_metric_alarm": (
        _of("alarm", "cloudwatch", "DescribeAlarms ListTagsForResource", f"DeleteAlarms PutMetricAlarm {_TAGS}"),
    ),
    "aws_dynamodb_table": (
        _of(
            "table",
            "dynamodb",
            "DescribeContinuousBackups DescribeTable DescribeTimeToLive ListTagsOfResource",
            f"CreateTable DeleteTable UpdateContinuousBackups UpdateTable {_TAGS}",
        ),
    ),
    "aws_db_instance": (
        _of("databases", "rds", "DescribeDBInstances"),
        _of(
            "nothing",
            "ec2",
            "",
            "DescribeAccountAttributes DescribeAvailabilityZones DescribeInternetGateways DescribeSecurityGroups "
            "DescribeSubnets DescribeVpcs",
        ),
        _of("vpc", "ec2", "", "DescribeVpcAttribute"),
        _of("role of RDS", "iam", "", "CreateServiceLinkedRole"),  # at the account's first database
        _of(
            "database",
            "rds",
            "ListTagsForResource",
            "AddTagsToResource CreateDBInstance DeleteDBInstance ModifyDBInstance RebootDBInstance "
            "RemoveTagsFromResource",
        ),
        _of("database parts", "rds", "", "CreateDBInstance ModifyDBInstance"),
        _of("final snapshot", "rds", "", "CreateDBSnapshot"),
        _of("database", "rds", "", "CreateDBSnapshot"),
    ),
    "aws_db_subnet_group": (
        _of(
            "subnet group",
            "rds",
            "DescribeDBSubnetGroups ListTagsForResource",
            "AddTagsToResource CreateDBSubnetGroup DeleteDBSubnetGroup ModifyDBSubnetGroup RemoveTagsFromResource",
        ),
    ),
    "aws_security_group": (
        _of("nothing", "ec2", "DescribeNetworkInterfaces DescribeSecurityGroups"),
        _of("group", "ec2", "", f"CreateSecurityGroup {_ADDRESS}"),
        _of("vpc", "ec2", "", "CreateSecurityGroup"),
        _of(
            "own group",
            "ec2",
            "",
            "DeleteSecurityGroup DeleteTags RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
        ),
    ),
    "aws_vpc_security_group_egress_rule": (
        _of("nothing", "ec2", "DescribeSecurityGroupRules"),
        _of("group", "ec2", "", _ADDRESS),
        _of("own group", "ec2", "", "DeleteTags ModifySecurityGroupRules RevokeSecurityGroupEgress"),
    ),
    "aws_vpc_security_group_ingress_rule": (
        _of("nothing", "ec2", "DescribeSecurityGroupRules"),
        _of("group", "ec2", "", _ADDRESS),
        _of("own group", "ec2", "", "DeleteTags ModifySecurityGroupRules RevokeSecurityGroupIngress"),
    ),
    "aws_vpc_endpoint": (
        _of("nothing", "ec2", "DescribePrefixLists DescribeVpcEndpoints"),
        _of("endpoint", "ec2", "", "CreateTags CreateVpcEndpoint"),
        _of("vpc", "ec2", "", "CreateVpcEndpoint"),
        _of("inside", "ec2", "", "CreateVpcEndpoint ModifyVpcEndpoint"),
        _of("own endpoint", "ec2", "", "DeleteTags DeleteVpcEndpoints ModifyVpcEndpoint"),
    ),
    "data.aws_vpc": (_of("nothing", "ec2", "DescribeVpcs"), _of("vpc", "ec2", "DescribeVpcAttribute")),
    "data.aws_security_group": (_of("nothing", "ec2", "DescribeSecurityGroups"),),
}
