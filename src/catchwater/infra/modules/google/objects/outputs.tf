output "keys" {
  description = "The keys of the objects."
  value       = sort(concat(keys(google_storage_bucket_object.this), keys(google_storage_bucket_object.text)))
}
