"""What the bindings lose of the real schemas, for the types that our modules use: force-new and sensitive; data only."""

_ALWAYS_NEW = frozenset({"name", "name_prefix", "bucket", "location"})

# Arguments whose change makes a new resource, by type. `region` and `project` do for every type that has them.
FORCE_NEW: dict[str, frozenset[str]] = {
    "aws_s3_bucket": frozenset({"bucket", "bucket_prefix", "object_lock_enabled"}),
    "aws_s3_bucket_notification": frozenset({"bucket"}),
    "aws_s3_bucket_policy": frozenset({"bucket"}),
    "aws_s3_bucket_versioning": frozenset({"bucket"}),
    "aws_s3_bucket_public_access_block": frozenset({"bucket"}),
    "aws_s3_bucket_lifecycle_configuration": frozenset({"bucket"}),
    "aws_s3_bucket_server_side_encryption_configuration": frozenset({"bucket"}),
    "aws_s3_bucket_ownership_controls": frozenset({"bucket"}),
    "aws_s3_object": frozenset({"bucket", "key"}),
    "aws_iam_role": frozenset({"name", "name_prefix", "path"}),
    "aws_iam_role_policy": frozenset({"name", "name_prefix", "role"}),
    "aws_iam_role_policy_attachment": frozenset({"policy_arn", "role"}),
    "aws_iam_policy": frozenset({"name", "name_prefix", "path", "description"}),
    "aws_iam_openid_connect_provider": frozenset({"url"}),
    "aws_lambda_function": frozenset({"function_name", "package_type"}),
    "aws_lambda_function_url": frozenset({"function_name", "qualifier"}),
    "aws_lambda_permission": frozenset(
        {"action", "function_name", "principal", "source_arn", "source_account", "statement_id", "function_url_auth_type"}
    ),
    "aws_lambda_event_source_mapping": frozenset({"event_source_arn", "starting_position"}),
    "aws_lambda_function_event_invoke_config": frozenset({"function_name", "qualifier"}),
    "aws_cloudwatch_log_group": frozenset({"name", "name_prefix"}),
    "aws_cloudwatch_log_metric_filter": frozenset({"name", "log_group_name"}),
    "aws_cloudwatch_metric_alarm": frozenset({"alarm_name"}),
    "aws_cloudwatch_event_rule": frozenset({"name", "name_prefix", "event_bus_name"}),
    "aws_cloudwatch_event_target": frozenset({"rule", "target_id", "event_bus_name"}),
    "aws_scheduler_schedule": frozenset({"name", "name_prefix", "group_name"}),
    "aws_scheduler_schedule_group": frozenset({"name", "name_prefix"}),
    "aws_sqs_queue": frozenset({"name", "name_prefix", "fifo_queue"}),
    "aws_sqs_queue_policy": frozenset({"queue_url"}),
    "aws_sns_topic": frozenset({"name", "name_prefix", "fifo_topic"}),
    "aws_sns_topic_policy": frozenset({"arn"}),
    "aws_sns_topic_subscription": frozenset({"topic_arn", "protocol", "endpoint"}),
    "aws_secretsmanager_secret": frozenset({"name", "name_prefix"}),
    "aws_secretsmanager_secret_version": frozenset({"secret_id", "secret_string", "secret_string_wo_version"}),
    "aws_dynamodb_table": frozenset({"name", "hash_key", "range_key"}),
    "aws_db_instance": frozenset({"identifier", "username", "db_name", "storage_encrypted", "kms_key_id", "engine"}),
    "aws_db_subnet_group": frozenset({"name", "name_prefix"}),
    "aws_security_group": frozenset({"name", "name_prefix", "description", "vpc_id"}),
    "aws_vpc_endpoint": frozenset({"service_name", "vpc_id", "vpc_endpoint_type"}),
    "aws_kms_alias": frozenset({"name", "name_prefix"}),
    "aws_glue_job": frozenset({"name"}),
    "aws_glue_trigger": frozenset({"name", "type"}),
    "google_storage_bucket": frozenset({"name", "location", "project"}),
    "google_storage_bucket_object": frozenset({"name", "bucket"}),
    "google_storage_bucket_iam_member": frozenset({"bucket", "role", "member", "condition"}),
    "google_storage_notification": frozenset({"bucket", "topic", "payload_format"}),
    "google_pubsub_topic": frozenset({"name", "project"}),
    "google_pubsub_subscription": frozenset({"name", "topic", "project", "enable_message_ordering"}),
    "google_pubsub_topic_iam_member": frozenset({"topic", "role", "member", "project"}),
    "google_pubsub_subscription_iam_member": frozenset({"subscription", "role", "member", "project"}),
    "google_service_account": frozenset({"account_id", "project"}),
    "google_service_account_iam_member": frozenset({"service_account_id", "role", "member"}),
    "google_project_iam_member": frozenset({"project", "role", "member", "condition"}),
    "google_project_iam_custom_role": frozenset({"role_id", "project"}),
    "google_project_service": frozenset({"project", "service"}),
    "google_cloudfunctions2_function": frozenset({"name", "location", "project"}),
    "google_cloud_run_v2_service": frozenset({"name", "location", "project"}),
    "google_cloud_run_v2_job": frozenset({"name", "location", "project"}),
    "google_cloud_run_v2_service_iam_member": frozenset({"name", "location", "project", "role", "member"}),
    "google_cloud_run_v2_job_iam_member": frozenset({"name", "location", "project", "role", "member"}),
    "google_cloud_scheduler_job": frozenset({"name", "region", "project"}),
    "google_eventarc_trigger": frozenset({"name", "location", "project", "matching_criteria"}),
    "google_bigquery_dataset": frozenset({"dataset_id", "location", "project"}),
    "google_bigquery_dataset_iam_member": frozenset({"dataset_id", "role", "member", "project"}),
    "google_bigquery_table": frozenset({"dataset_id", "table_id", "project"}),
    "google_artifact_registry_repository": frozenset({"repository_id", "location", "format", "project"}),
    "google_artifact_registry_repository_iam_member": frozenset({"repository", "location", "role", "member", "project"}),
    "google_secret_manager_secret": frozenset({"secret_id", "replication", "project"}),
    "google_secret_manager_secret_version": frozenset({"secret", "secret_data", "secret_data_wo_version"}),
    "google_secret_manager_secret_iam_member": frozenset({"secret_id", "role", "member", "project"}),
    "google_cloudbuild_trigger": frozenset({"location", "project"}),
    "google_iam_workload_identity_pool": frozenset({"workload_identity_pool_id", "project"}),
    "google_iam_workload_identity_pool_provider": frozenset(
        {"workload_identity_pool_id", "workload_identity_pool_provider_id", "project"}
    ),
    "google_monitoring_notification_channel": frozenset({"project"}),
    "google_logging_metric": frozenset({"project"}),
}

SENSITIVE: dict[str, frozenset[str]] = {
    "aws_db_instance": frozenset({"password", "password_wo"}),
    "aws_secretsmanager_secret_version": frozenset({"secret_string", "secret_binary", "secret_string_wo"}),
    "google_secret_manager_secret_version": frozenset({"secret_data", "secret_data_wo"}),
    "google_service_account_key": frozenset({"private_key"}),
    "google_monitoring_notification_channel": frozenset({"auth_token", "password", "service_key"}),
}


def force_new(type_name: str) -> frozenset[str]:
    """The arguments that can't be changed in place; for a type that isn't listed, those that never can."""
    return FORCE_NEW.get(type_name, _ALWAYS_NEW) | {"region", "project"}
