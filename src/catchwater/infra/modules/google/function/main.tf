# A small step: a 2nd generation function, what wakes it, and who may call it.

resource "google_cloudfunctions2_function" "this" {
  name        = var.name
  location    = var.location
  description = var.purpose

  build_config {
    runtime           = "python312"
    entry_point       = var.entry_point
    service_account   = var.build_account
    docker_repository = var.repository

    source {
      storage_source {
        bucket = var.source_bucket
        object = var.source_object
      }
    }
  }

  service_config {
    service_account_email            = var.account
    available_memory                 = "${var.memory}Mi"
    available_cpu                    = "1"
    timeout_seconds                  = var.timeout
    min_instance_count               = var.min
    max_instance_count               = 1
    max_instance_request_concurrency = 1
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision   = true
    environment_variables            = var.environment
  }

  dynamic "event_trigger" {
    for_each = var.topic == "" ? [] : [var.topic]

    content {
      trigger_region        = var.location
      event_type            = "google.cloud.pubsub.topic.v1.messagePublished"
      pubsub_topic          = event_trigger.value
      retry_policy          = "RETRY_POLICY_RETRY"
      service_account_email = var.account
    }
  }

  # Eventarc can't filter by key: every new object of the bucket wakes the step, which looks at manifests alone.
  dynamic "event_trigger" {
    for_each = var.bucket == "" ? [] : [var.bucket]

    content {
      trigger_region        = var.location
      event_type            = "google.cloud.storage.object.v1.finalized"
      retry_policy          = "RETRY_POLICY_RETRY"
      service_account_email = var.account

      event_filters {
        attribute = "bucket"
        value     = event_trigger.value
      }
    }
  }
}

# A function of the 2nd generation is called through the Cloud Run service beneath it.
resource "google_cloud_run_v2_service_iam_member" "invokers" {
  for_each = var.invokers

  name     = google_cloudfunctions2_function.this.name
  location = google_cloudfunctions2_function.this.location
  role     = "roles/run.invoker"
  member   = each.value
}
