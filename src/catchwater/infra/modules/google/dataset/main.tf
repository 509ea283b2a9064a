# The warehouse: a dataset, its tables as the models describe them, and who may read or load it.

resource "google_bigquery_dataset" "this" {
  dataset_id                 = var.name
  location                   = var.location
  description                = var.purpose
  delete_contents_on_destroy = false
  max_time_travel_hours      = "168"
}

resource "google_bigquery_table" "this" {
  for_each = var.tables

  dataset_id          = google_bigquery_dataset.this.dataset_id
  table_id            = each.key
  description         = each.value.description
  deletion_protection = var.protected

  # what isn't said of a column isn't sent
  schema = jsonencode([
    for column in each.value.columns : merge({ mode = "NULLABLE" }, { for key, value in column : key => value if value != null && value != "" })
  ])
}

resource "google_bigquery_dataset_iam_member" "access" {
  for_each = var.access

  dataset_id = google_bigquery_dataset.this.dataset_id
  role       = each.value.role
  member     = each.value.member
}
