# A call by the clock: to a function or service, signed for it, or to an interface of Google.

locals {
  host = split("/", var.uri)[2]
}

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
    body        = base64encode(var.body)

    # Google's own interfaces take an access token, functions and services an identity
    dynamic "oauth_token" {
      for_each = endswith(local.host, ".googleapis.com") ? [var.account] : []

      content {
        service_account_email = oauth_token.value
        scope                 = "https://www.googleapis.com/auth/cloud-platform"
      }
    }

    dynamic "oidc_token" {
      for_each = endswith(local.host, ".googleapis.com") ? [] : [var.account]

      content {
        service_account_email = oidc_token.value
        audience              = var.uri
      }
    }
  }
}
