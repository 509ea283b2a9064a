"""What the bindings lose of the real schemas, for the types that our modules use, and shapes of ids; data only."""

# Arguments whose change makes a new resource, by type. `region` and `project` do for every type that has them.
_FORCE_NEW = """
aws_s3_bucket: bucket bucket_prefix object_lock_enabled
aws_s3_bucket_notification: bucket
aws_s3_bucket_policy: bucket
aws_s3_bucket_versioning: bucket
aws_s3_bucket_public_access_block: bucket
aws_s3_bucket_lifecycle_configuration: bucket
aws_s3_bucket_server_side_encryption_configuration: bucket
aws_s3_bucket_ownership_controls: bucket
aws_s3_object: bucket key
aws_iam_role: name name_prefix path
aws_iam_role_policy: name name_prefix role
aws_iam_role_policy_attachment: policy_arn role
aws_iam_policy: description name name_prefix path
aws_iam_openid_connect_provider: url
aws_lambda_function: function_name package_type
aws_lambda_function_url: function_name qualifier
aws_lambda_permission: action function_name function_url_auth_type principal source_account source_arn statement_id
aws_lambda_event_source_mapping: event_source_arn starting_position
aws_lambda_function_event_invoke_config: function_name qualifier
aws_cloudwatch_log_group: name name_prefix
aws_cloudwatch_log_metric_filter: log_group_name name
aws_cloudwatch_metric_alarm: alarm_name
aws_cloudwatch_event_rule: event_bus_name name name_prefix
aws_cloudwatch_event_target: event_bus_name rule target_id
aws_scheduler_schedule: group_name name name_prefix
aws_scheduler_schedule_group: name name_prefix
aws_sqs_queue: fifo_queue name name_prefix
aws_sqs_queue_policy: queue_url
aws_sns_topic: fifo_topic name name_prefix
aws_sns_topic_policy: arn
aws_sns_topic_subscription: endpoint protocol topic_arn
aws_secretsmanager_secret: name name_prefix
aws_secretsmanager_secret_version: secret_id secret_string secret_string_wo_version
aws_dynamodb_table: hash_key name range_key
aws_db_instance: db_name engine identifier kms_key_id storage_encrypted username
aws_db_subnet_group: name name_prefix
aws_security_group: description name name_prefix vpc_id
aws_vpc_endpoint: service_name vpc_endpoint_type vpc_id
aws_kms_alias: name name_prefix
aws_glue_job: name
aws_glue_trigger: name type
google_storage_bucket: location name project
google_storage_bucket_object: bucket name
google_storage_bucket_iam_member: bucket condition member role
google_storage_notification: bucket payload_format topic
google_pubsub_topic: name project
google_pubsub_subscription: enable_message_ordering name project topic
google_pubsub_topic_iam_member: member project role topic
google_pubsub_subscription_iam_member: member project role subscription
google_service_account: account_id project
google_service_account_iam_member: member role service_account_id
google_project_iam_member: condition member project role
google_project_iam_custom_role: project role_id
google_project_service: project service
google_cloudfunctions2_function: location name project
google_cloud_run_v2_service: location name project
google_cloud_run_v2_job: location name project
google_cloud_run_v2_service_iam_member: location member name project role
google_cloud_run_v2_job_iam_member: location member name project role
google_cloud_scheduler_job: name project region
google_eventarc_trigger: location matching_criteria name project
google_bigquery_dataset: dataset_id location project
google_bigquery_dataset_iam_member: dataset_id member project role
google_bigquery_table: dataset_id project table_id
google_artifact_registry_repository: format location project repository_id
google_artifact_registry_repository_iam_member: location member project repository role
google_secret_manager_secret: project replication secret_id
google_secret_manager_secret_version: secret secret_data secret_data_wo_version
google_secret_manager_secret_iam_member: member project role secret_id
google_cloudbuild_trigger: location project
google_iam_workload_identity_pool: project workload_identity_pool_id
google_iam_workload_identity_pool_provider: project workload_identity_pool_id workload_identity_pool_provider_id
google_monitoring_notification_channel: project
google_logging_metric: project
"""
_UNLISTED = frozenset({"name", "name_prefix", "bucket", "location"})

_SENSITIVE = """
aws_db_instance: password password_wo
aws_secretsmanager_secret_version: secret_binary secret_string secret_string_wo
google_secret_manager_secret_version: secret_data secret_data_wo
google_service_account_key: private_key
google_monitoring_notification_channel: auth_token password service_key
"""

ARN = "arn:aws:{service}:{region}:{account}:{name}"
# Computed attributes whose shape others rely on; `{service}` is the second word of the type.
SHAPES: dict[str, dict[str, str]] = {
    "aws_s3_bucket": {
        "arn": "arn:aws:s3:::{name}",
        "id": "{name}",
        "bucket_domain_name": "{name}.s3.amazonaws.com",
        "bucket_regional_domain_name": "{name}.s3.{region}.amazonaws.com",
    },
    "aws_iam_role": {"arn": "arn:aws:iam::{account}:role/{name}", "id": "{name}"},
    "aws_iam_policy": {"arn": "arn:aws:iam::{account}:policy/{name}", "id": "arn:aws:iam::{account}:policy/{name}"},
    "aws_iam_openid_connect_provider": {"arn": "arn:aws:iam::{account}:oidc-provider/{host}"},
    "aws_lambda_function": {
        "arn": "arn:aws:lambda:{region}:{account}:function:{name}",
        "id": "{name}",
        "invoke_arn": "arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{name}/invocations",
        "qualified_arn": "arn:aws:lambda:{region}:{account}:function:{name}:1",
        "version": "1",
    },
    "aws_lambda_function_url": {
        "function_url": "https://{hash}.lambda-url.{region}.on.aws/",
        "url_id": "{hash}",
        "function_arn": "arn:aws:lambda:{region}:{account}:function:{name}",
    },
    "aws_cloudwatch_log_group": {"arn": "arn:aws:logs:{region}:{account}:log-group:{name}", "id": "{name}"},
    "aws_cloudwatch_event_rule": {
        "arn": "arn:aws:events:{region}:{account}:rule/{name}",
        "id": "{name}",
        "event_bus_name": "default",
    },
    "aws_cloudwatch_event_target": {"event_bus_name": "default"},
    "aws_cloudwatch_metric_alarm": {"arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}", "id": "{name}"},
    "aws_scheduler_schedule": {
        "arn": "arn:aws:scheduler:{region}:{account}:schedule/default/{name}",
        "id": "default/{name}",
        "group_name": "default",
    },
    "aws_sqs_queue": {
        "url": "https://sqs.{region}.amazonaws.com/{account}/{name}",
        "id": "https://sqs.{region}.amazonaws.com/{account}/{name}",
    },
    "aws_sns_topic": {"id": "arn:aws:{service}:{region}:{account}:{name}"},
    "aws_secretsmanager_secret": {
        "arn": "arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf",
        "id": "arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf",
    },
    "aws_dynamodb_table": {"arn": "arn:aws:dynamodb:{region}:{account}:table/{name}", "id": "{name}"},
    "aws_db_instance": {
        "arn": "arn:aws:rds:{region}:{account}:db:{name}",
        "id": "{name}",
        "resource_id": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "address": "{name}.{hash}.{region}.rds.amazonaws.com",
        "endpoint": "{name}.{hash}.{region}.rds.amazonaws.com:5432",
    },
    "aws_kms_key": {"arn": "arn:aws:kms:{region}:{account}:key/{hash}", "key_id": "{hash}", "id": "{hash}"},
    "aws_glue_job": {"arn": "arn:aws:glue:{region}:{account}:job/{name}", "id": "{name}"},
    "aws_glue_trigger": {"arn": "arn:aws:glue:{region}:{account}:trigger/{name}", "id": "{name}"},
    "aws_security_group": {"id": "sg-{hash}", "arn": "arn:aws:ec2:{region}:{account}:security-group/sg-{hash}"},
    "aws_vpc": {"cidr_block": "10.0.0.0/16"},
    "aws_vpc_endpoint": {"id": "vpce-{hash}"},
    "google_service_account": {
        "email": "{name}@{project}.iam.gserviceaccount.com",
        "member": "serviceAccount:{name}@{project}.iam.gserviceaccount.com",
        "name": "projects/{project}/serviceAccounts/{name}@{project}.iam.gserviceaccount.com",
        "id": "projects/{project}/serviceAccounts/{name}@{project}.iam.gserviceaccount.com",
        "unique_id": "{number}",
    },
    "google_storage_bucket": {"id": "{name}", "url": "gs://{name}"},
    "google_pubsub_topic": {"id": "projects/{project}/topics/{name}"},
    "google_pubsub_subscription": {"id": "projects/{project}/subscriptions/{name}"},
    "google_cloud_run_v2_service": {
        "id": "projects/{project}/locations/{region}/services/{name}",
        "uri": "https://{name}-{hash}.a.run.app",
    },
    "google_cloud_run_v2_job": {"id": "projects/{project}/locations/{region}/jobs/{name}"},
    "google_cloudfunctions2_function": {
        "id": "projects/{project}/locations/{region}/functions/{name}",
        "url": "https://{region}-{project}.cloudfunctions.net/{name}",
    },
    "google_cloud_scheduler_job": {"id": "projects/{project}/locations/{region}/jobs/{name}"},
    "google_eventarc_trigger": {"id": "projects/{project}/locations/{region}/triggers/{name}"},
    "google_bigquery_dataset": {"id": "projects/{project}/datasets/{name}"},
    "google_artifact_registry_repository": {"id": "projects/{project}/locations/{region}/repositories/{name}"},
    "google_secret_manager_secret": {
        "id": "projects/{project}/secrets/{name}",
        "name": "projects/{number}/secrets/{name}",
    },
    "google_iam_workload_identity_pool": {
        "id": "projects/{project}/locations/global/workloadIdentityPools/{name}",
        "name": "projects/{number}/locations/global/workloadIdentityPools/{name}",
    },
    "google_iam_workload_identity_pool_provider": {
        "id": "projects/{project}/locations/global/workloadIdentityPools/{pool}/providers/{name}",
        "name": "projects/{number}/locations/global/workloadIdentityPools/{pool}/providers/{name}",
    },
    "google_project": {"number": "{number}", "id": "projects/{project}"},
    "google_monitoring_notification_channel": {
        "name": "projects/{project}/notificationChannels/{hash}",
        "id": "projects/{project}/notificationChannels/{hash}",
    },
    "google_storage_project_service_account": {
        "email_address": "service-{number}@gs-project-accounts.iam.gserviceaccount.com",
        "member": "serviceAccount:service-{number}@gs-project-accounts.iam.gserviceaccount.com",
    },
}


def _table(text: str) -> dict[str, frozenset[str]]:
    rows = (line.partition(": ") for line in text.strip().splitlines())
    return {name: frozenset(words.split()) for name, _, words in rows}


FORCE_NEW = _table(_FORCE_NEW)
SENSITIVE = _table(_SENSITIVE)


def force_new(type_name: str) -> frozenset[str]:
    """The arguments that can't be changed in place; for a type that isn't listed, those that seldom can."""
    return FORCE_NEW.get(type_name, _UNLISTED) | {"region", "project"}
