output "name" {
  description = "The trigger's name."
  value       = google_eventarc_trigger.this.name
}
