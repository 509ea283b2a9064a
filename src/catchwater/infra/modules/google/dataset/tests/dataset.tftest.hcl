variables {
  name      = "events"
  location  = "europe-west2"
  purpose   = "The warehouse of events in dev"
  protected = true
  access    = {}

  tables = {
    events = {
      description = "Every event once."

      columns = [
        { name = "event_id", type = "STRING", description = "" },
        { name = "amount", type = "NUMERIC", description = "In pounds.", precision = "18", scale = "2" },
      ]
    }
  }
}

run "columns_are_what_was_said" {
  command = plan

  assert {
    condition = jsondecode(google_bigquery_table.this["events"].schema) == [
      { mode = "NULLABLE", name = "event_id", type = "STRING" },
      { mode = "NULLABLE", name = "amount", type = "NUMERIC", description = "In pounds.", precision = "18", scale = "2" },
    ]
    error_message = "What isn't said of a column must not be sent."
  }

  assert {
    condition     = google_bigquery_table.this["events"].deletion_protection
    error_message = "Tables are protected."
  }
}

run "a_dataset_has_no_owner" {
  command = plan

  variables {
    access = { load = { role = "roles/bigquery.dataOwner", member = "serviceAccount:load@ev-dev.iam.gserviceaccount.com" } }
  }

  expect_failures = [var.access]
}
