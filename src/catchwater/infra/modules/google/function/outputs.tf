output "name" {
  description = "The function's name, and that of the Cloud Run service beneath it."
  value       = google_cloudfunctions2_function.this.name
}

output "uri" {
  description = "Where the function is called."
  value       = google_cloudfunctions2_function.this.service_config[0].uri
}
