# A small step: a 2nd generation function over HTTP, and who may call it. One instance: those who call share one wake.

locals {
  # each processor brings up to 4 GB of memory
  processors = var.memory <= 4096 ? 1 : var.memory <= 8192 ? 2 : var.memory <= 16384 ? 4 : 8
}

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
    available_cpu                    = tostring(local.processors)
    timeout_seconds                  = var.timeout
    min_instance_count               = var.min
    max_instance_count               = 1
    max_instance_request_concurrency = 80
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision   = true
    environment_variables            = merge({ THREADS = "80" }, var.environment)
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
