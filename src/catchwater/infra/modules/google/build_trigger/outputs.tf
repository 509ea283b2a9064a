output "id" {
  description = "The trigger's full name."
  value       = google_cloudbuild_trigger.this.id
}
