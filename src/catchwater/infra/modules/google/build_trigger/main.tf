# A Cloud Build of the repository: a plan on each branch, or an apply on main.

resource "google_cloudbuild_trigger" "this" {
  name               = var.name
  location           = var.location
  description        = var.purpose
  filename           = var.filename
  service_account    = var.account
  substitutions      = var.substitutions
  include_build_logs = "INCLUDE_BUILD_LOGS_WITH_STATUS"

  repository_event_config {
    repository = var.repository

    push {
      branch       = "^main$"
      invert_regex = !var.main
    }
  }
}
