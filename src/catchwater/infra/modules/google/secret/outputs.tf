output "name" {
  description = "The secret's full name."
  value       = google_secret_manager_secret.this.name
}
