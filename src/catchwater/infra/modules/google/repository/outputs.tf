output "id" {
  description = "The repository's full name."
  value       = google_artifact_registry_repository.this.id
}

output "address" {
  description = "What an image's name begins with."
  value       = "${google_artifact_registry_repository.this.location}-docker.pkg.dev/${google_artifact_registry_repository.this.project}/${google_artifact_registry_repository.this.repository_id}"
}
