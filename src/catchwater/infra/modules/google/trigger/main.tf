# What wakes a service, or the one beneath a function: the end of a Cloud Build, or a new object of a bucket.

# Cloud Build tells what becomes of a build on the topic of this name, once it exists.
resource "google_pubsub_topic" "builds" {
  count = var.bucket == "" ? 1 : 0

  name = "cloud-builds"
}

resource "google_eventarc_trigger" "this" {
  name            = var.name
  location        = var.location
  service_account = var.account

  matching_criteria {
    attribute = "type"
    value     = var.bucket == "" ? "google.cloud.pubsub.topic.v1.messagePublished" : "google.cloud.storage.object.v1.finalized"
  }

  dynamic "matching_criteria" {
    for_each = var.bucket == "" ? [] : [var.bucket]

    content {
      attribute = "bucket"
      value     = matching_criteria.value
    }
  }

  dynamic "transport" {
    for_each = google_pubsub_topic.builds

    content {
      pubsub {
        topic = transport.value.id
      }
    }
  }

  destination {
    cloud_run_service {
      service = var.service
      region  = var.location
      path    = var.path
    }
  }
}
