# A topic, the two subscriptions of the step that takes it, and where messages go that nobody can read.

resource "google_pubsub_topic" "this" {
  name = var.name
}

# Holds the messages: the step pulls a batch, and acknowledges it once the log has it.
resource "google_pubsub_subscription" "this" {
  name                       = var.name
  topic                      = google_pubsub_topic.this.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
}

# Wakes the step with each message; answered once the log has it, so a delivery that comes again is nothing unusual.
resource "google_pubsub_subscription" "wake" {
  name                       = "${var.name}-wake"
  topic                      = google_pubsub_topic.this.id
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }

  push_config {
    push_endpoint = var.push_endpoint

    oidc_token {
      service_account_email = var.push_account
      audience              = var.push_endpoint
    }
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
}

# The step publishes here, with the reason, what it can't read.
resource "google_pubsub_topic" "dead" {
  name = "${var.name}-dead"
}

# Without a subscription a topic keeps nothing.
resource "google_pubsub_subscription" "dead" {
  name                       = "${var.name}-dead"
  topic                      = google_pubsub_topic.dead.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "publishers" {
  for_each = var.publishers

  topic  = google_pubsub_topic.this.name
  role   = "roles/pubsub.publisher"
  member = each.value
}

resource "google_pubsub_subscription_iam_member" "consumer" {
  subscription = google_pubsub_subscription.this.name
  role         = "roles/pubsub.subscriber"
  member       = var.consumer
}

resource "google_pubsub_topic_iam_member" "buries" {
  topic  = google_pubsub_topic.dead.name
  role   = "roles/pubsub.publisher"
  member = var.consumer
}
