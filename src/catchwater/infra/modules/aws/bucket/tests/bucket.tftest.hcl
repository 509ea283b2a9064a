variables {
  name = "shop-dev-ingestion-111122223333"
}

run "events_go_to_eventbridge" {
  assert {
    condition     = aws_s3_bucket_notification.this[0].eventbridge
    error_message = "a committed batch is told"
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : length(rule.expiration) == 0])
    error_message = "nothing that is current ever expires"
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix if length(rule.noncurrent_version_expiration) > 0] == ["_config/"]
    error_message = "old versions go under _config/ alone: a manifest that was overwritten or deleted stays"
  }
}

run "the_artifacts_tell_nobody" {
  variables {
    events  = false
    kms_key = "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  assert {
    condition     = length(aws_s3_bucket_notification.this) == 0
    error_message = "no notification"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "the key is used"
  }
}
