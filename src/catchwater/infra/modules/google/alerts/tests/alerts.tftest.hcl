variables {
  name              = "open-data-dev"
  project_label     = "open_data"
  environment       = "dev"
  channels          = { ops = { email = "ops@example.org", events = ["failure", "success"] } }
  steps             = { "load:bigquery" = { job = "", stale_minutes = 0 } }
  unread_seconds    = {}
  request_p95_ms    = {}
  query_p98_seconds = 0
}

run "a_line_is_known_by_its_project_and_environment" {
  command = plan

  assert {
    condition     = google_logging_metric.this["failures"].filter == "(jsonPayload.catchwater.project=\"open_data\" AND jsonPayload.catchwater.environment=\"dev\" AND jsonPayload.catchwater.values.failures>0)"
    error_message = "The metric must count this project's and environment's lines alone."
  }

  assert {
    condition     = length(google_monitoring_alert_policy.stale) == 0 && length(google_monitoring_alert_policy.queries) == 0
    error_message = "What nobody asked for must not be there."
  }
}

run "a_job_is_known_by_the_words_of_its_line" {
  command = plan

  variables {
    steps = { "load:bigquery" = { job = "open-data-dev-load-bigquery", stale_minutes = 150 } }
  }

  # the line as adapters/metrics/cloud_logging.py prints it
  assert {
    condition = can(regex(
      "${local.text}.*.successes.: [1-9]",
      "{\"severity\": \"INFO\", \"message\": \"measured load:bigquery\", \"catchwater\": {\"project\": \"open_data\", \"environment\": \"dev\", \"step\": \"load:bigquery\", \"values\": {\"failures\": 0.0, \"successes\": 1.0}}}"
    ))
    error_message = "The words must be those that are printed."
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.stale["load:bigquery"].conditions[0].condition_prometheus_query_language[0].query, "monitored_resource=\"dataflow_step\",job_name=\"open-data-dev-load-bigquery\"")
    error_message = "A job's successes are told apart by its name."
  }

  assert {
    condition     = length(google_monitoring_alert_policy.failure[0].conditions) == 1 && strcontains(google_monitoring_alert_policy.failure[0].conditions[0].condition_threshold[0].filter, "dataflow.googleapis.com/job/is_failed")
    error_message = "A failed job is known by Dataflow's own metric."
  }
}
