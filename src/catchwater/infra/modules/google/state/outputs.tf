output "bucket" {
  description = "The name of the bucket that the other roots keep their states in."
  value       = google_storage_bucket.this.name
}
