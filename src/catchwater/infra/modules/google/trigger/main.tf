# What wakes a service, or the one beneath a function: a new object of a bucket, or a message of a topic.

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
    for_each = var.topic == "" ? [] : [var.topic]

    content {
      pubsub {
        topic = transport.value
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
