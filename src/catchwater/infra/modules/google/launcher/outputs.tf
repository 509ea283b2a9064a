output "template" {
  description = "Where the flex template is."
  value       = "gs://${google_storage_bucket_object.template.bucket}/${google_storage_bucket_object.template.name}"
}
