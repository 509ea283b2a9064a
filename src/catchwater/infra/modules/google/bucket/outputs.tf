output "name" {
  description = "The bucket's name."
  value       = google_storage_bucket.this.name
}

output "url" {
  description = "The bucket as gs://…, as handlers are told it."
  value       = google_storage_bucket.this.url
}
