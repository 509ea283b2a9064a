# A wake by the clock: a call to a function or service, signed for it.

resource "google_cloud_scheduler_job" "this" {
  name             = var.name
  region           = var.location
  description      = var.purpose
  schedule         = var.cron
  time_zone        = "Etc/UTC"
  attempt_deadline = "${var.timeout}s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "10s"
    max_backoff_duration = "60s"
  }

  http_target {
    uri         = var.uri
    http_method = "POST"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode({ trigger = "schedule" }))

    oidc_token {
      service_account_email = var.account
      audience              = var.uri
    }
  }
}
