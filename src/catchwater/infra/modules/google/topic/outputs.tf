output "topic" {
  description = "The topic's full name, which publishers are told."
  value       = google_pubsub_topic.this.id
}

output "subscription" {
  description = "The subscription's full name, which the consumer is told."
  value       = google_pubsub_subscription.this.id
}

output "dead_letter" {
  description = "The full name of the topic for what can't be read, which the consumer is told."
  value       = google_pubsub_topic.dead.id
}
