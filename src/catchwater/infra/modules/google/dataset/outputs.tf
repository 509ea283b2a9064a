output "name" {
  description = "The dataset's name."
  value       = google_bigquery_dataset.this.dataset_id
}

output "tables" {
  description = "The names of the tables."
  value       = sort(keys(google_bigquery_table.this))
}
