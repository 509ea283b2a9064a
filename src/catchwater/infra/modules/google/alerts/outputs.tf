output "metrics" {
  description = "The metrics over the lines of wakes, as Cloud Monitoring names them."
  value       = [for metric in google_logging_metric.this : "logging.googleapis.com/user/${metric.name}"]
}
