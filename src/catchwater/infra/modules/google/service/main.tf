# A Cloud Run service: the API, or a step that takes longer than a function may.

locals {
  # each processor brings up to 4 GB of memory
  processors = var.memory <= 4096 ? 1 : var.memory <= 8192 ? 2 : var.memory <= 16384 ? 4 : 8
}

resource "google_cloud_run_v2_service" "this" {
  name                = var.name
  location            = var.location
  description         = var.purpose
  ingress             = var.public ? "INGRESS_TRAFFIC_ALL" : "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = false # it holds no data: what it serves is in the warehouse

  template {
    service_account                  = var.account
    timeout                          = "${var.timeout}s"
    max_instance_request_concurrency = var.concurrency

    scaling {
      min_instance_count = var.min
      max_instance_count = var.max
    }

    containers {
      image = var.image

      resources {
        cpu_idle          = true
        startup_cpu_boost = true
        limits            = { cpu = tostring(local.processors), memory = "${var.memory}Mi" }
      }

      dynamic "env" {
        for_each = var.environment

        content {
          name  = env.key
          value = env.value
        }
      }
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "invokers" {
  for_each = var.invokers

  name     = google_cloud_run_v2_service.this.name
  location = google_cloud_run_v2_service.this.location
  role     = "roles/run.invoker"
  member   = each.value
}
