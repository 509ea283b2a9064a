# The APIs a project needs, and what Google's own agents need to pass events on.

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "this" {
  for_each = var.services

  project            = var.project
  service            = each.value
  disable_on_destroy = false
}

# Asking for the agent makes it. What happens to an object reaches Eventarc through Pub/Sub.
data "google_storage_project_service_account" "this" {
  count = contains(var.services, "eventarc.googleapis.com") ? 1 : 0

  project    = var.project
  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "storage_publishes" {
  count = contains(var.services, "eventarc.googleapis.com") ? 1 : 0

  project = var.project
  role    = "roles/pubsub.publisher"
  member  = data.google_storage_project_service_account.this[0].member
}

# Cloud Build tells what becomes of each build of the project on the topic of this name, if it is there.
resource "google_pubsub_topic" "builds" {
  count = var.build_events ? 1 : 0

  project    = var.project
  name       = "cloud-builds"
  depends_on = [google_project_service.this]
}
