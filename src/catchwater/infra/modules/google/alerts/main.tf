# Who is told what: metrics over the lines that every wake prints, and policies over those and over what was promised.

locals {
  structured = join(" AND ", [
    "jsonPayload.catchwater.project=\"${var.project_label}\"",
    "jsonPayload.catchwater.environment=\"${var.environment}\"",
  ])

  # Dataflow keeps the same line as a text; a dot stands for each quote
  jobs = { for step, one in var.steps : step => one.job if one.job != "" }
  text = "catchwater.: ..project.: .${var.project_label}., .environment.: .${var.environment}.,"

  wakes = {
    for value in ["failures", "successes"] : value => join(" OR ", concat(
      ["(${local.structured} AND jsonPayload.catchwater.values.${value}>0)"],
      length(local.jobs) == 0 ? [] : ["(resource.type=\"dataflow_step\" AND jsonPayload.message=~\"${local.text}.*.${value}.: [1-9]\")"],
    ))
  }

  moved = join(" OR ", concat(
    ["(${local.structured} AND jsonPayload.catchwater.values.successes>0 AND jsonPayload.catchwater.values.rows_out>0)"],
    length(local.jobs) == 0 ? [] : ["(resource.type=\"dataflow_step\" AND jsonPayload.message=~\"${local.text}.*.rows_out.: [1-9].*.successes.: [1-9]\")"],
  ))

  # what tells a step's successes apart: its name, or the name of its job
  chosen = {
    for step, one in var.steps : step => one.job == "" ? "step=\"${step}\"" : "job_name=\"${one.job}\""
  }

  channels = { for label, channel in google_monitoring_notification_channel.this : label => channel.id }
  told     = { for event in ["failure", "recovery", "stale", "success"] : event => [for label, one in var.channels : label if contains(one.events, event)] }
  prompts  = length(local.told.recovery) > 0 ? ["OPENED", "CLOSED"] : ["OPENED"]
  # PromQL's name of the metric: what isn't a letter or digit becomes _
  successes = "logging_googleapis_com:user_${replace(google_logging_metric.this["successes"].name, "-", "_")}"
}

resource "google_monitoring_notification_channel" "this" {
  for_each = var.channels

  type         = "email"
  display_name = "${var.name} ${each.value.email}"
  labels       = { email_address = each.value.email }
}

resource "google_logging_metric" "this" {
  for_each = toset(["failures", "successes"])

  name        = "${var.name}-${each.value}"
  description = "Wakes of ${var.name} with ${each.value}, by step"
  filter      = local.wakes[each.value]

  label_extractors = { step = "EXTRACT(jsonPayload.catchwater.step)" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    labels {
      key         = "step"
      value_type  = "STRING"
      description = "The step that was woken"
    }
  }
}

# One incident per step for as long as it fails: repeated failures are one conversation.
resource "google_monitoring_alert_policy" "failure" {
  count = length(local.told.failure) > 0 ? 1 : 0

  display_name          = "${var.name}: a step failed"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [for label in local.told.failure : local.channels[label]]

  dynamic "conditions" {
    for_each = length(local.jobs) == length(var.steps) ? [] : ["cloud_run_revision"]

    content {
      display_name = "failures"

      condition_threshold {
        filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.this["failures"].name}\" AND resource.type=\"${conditions.value}\""
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"

        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
          group_by_fields      = ["metric.label.step"]
        }
      }
    }
  }

  dynamic "conditions" {
    for_each = local.jobs

    content {
      display_name = "${conditions.key} failed on Dataflow"

      condition_threshold {
        filter          = "metric.type=\"dataflow.googleapis.com/job/is_failed\" AND resource.type=\"dataflow_job\" AND resource.label.job_name=\"${conditions.value}\""
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"

        aggregations {
          alignment_period   = "60s"
          per_series_aligner = "ALIGN_MAX"
        }
      }
    }
  }

  alert_strategy {
    auto_close           = "3600s"
    notification_prompts = local.prompts
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "${var.name}: a step failed"
    content   = "The step is named by the label `step`; `catchwater runs` and its log lines say what failed. The batch stays and is tried again at the next wake."
  }
}

# Absent counts as stale: a step that never ran never succeeded.
resource "google_monitoring_alert_policy" "stale" {
  for_each = { for step, one in var.steps : step => one if one.stale_minutes > 0 }

  display_name          = "${var.name}: ${each.key} had no success in ${each.value.stale_minutes} minutes"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [for label in local.told.stale : local.channels[label]]

  conditions {
    display_name = "no success"

    condition_prometheus_query_language {
      query                     = "(sum(increase(${local.successes}{monitored_resource=\"${each.value.job == "" ? "cloud_run_revision" : "dataflow_step"}\",${local.chosen[each.key]}}[${each.value.stale_minutes}m])) or vector(0)) < 1"
      duration                  = "300s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close           = "3600s"
    notification_prompts = local.prompts
  }
}

# What is told for every success comes from the log line itself, at most once in five minutes.
resource "google_monitoring_alert_policy" "success" {
  count = length(local.told.success) > 0 ? 1 : 0

  display_name          = "${var.name}: a step moved rows"
  combiner              = "OR"
  notification_channels = [for label in local.told.success : local.channels[label]]

  conditions {
    display_name = "rows moved"

    condition_matched_log {
      filter           = local.moved
      label_extractors = { step = "EXTRACT(jsonPayload.catchwater.step)" }
    }
  }

  alert_strategy {
    auto_close           = "3600s"
    notification_prompts = ["OPENED"]

    notification_rate_limit {
      period = "300s"
    }
  }
}

# A promise of freshness over messages: the oldest that nobody has taken.
resource "google_monitoring_alert_policy" "unread" {
  for_each = var.unread_seconds

  display_name          = "${var.name}: messages of ${each.key} wait for more than ${each.value} s"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [for label in local.told.stale : local.channels[label]]

  conditions {
    display_name = "oldest message"

    condition_threshold {
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\" AND resource.label.subscription_id=\"${each.key}\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value
      duration        = "60s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  alert_strategy {
    auto_close           = "3600s"
    notification_prompts = local.prompts
  }
}

# api_p95: what 95 of 100 requests take.
resource "google_monitoring_alert_policy" "requests" {
  for_each = var.request_p95_ms

  display_name          = "${var.name}: ${each.key} answers slower than ${each.value} ms"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [for label in local.told.stale : local.channels[label]]

  conditions {
    display_name = "p95 of requests"

    condition_threshold {
      filter          = "metric.type=\"run.googleapis.com/request_latencies\" AND resource.type=\"cloud_run_revision\" AND resource.label.service_name=\"${each.key}\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value
      duration        = "300s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_PERCENTILE_95"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = ["resource.label.service_name"]
      }
    }
  }

  alert_strategy {
    auto_close           = "3600s"
    notification_prompts = local.prompts
  }
}

# query_p98: what 98 of 100 queries of the project's BigQuery take; no aligner has that percentile.
resource "google_monitoring_alert_policy" "queries" {
  count = var.query_p98_seconds > 0 ? 1 : 0

  display_name          = "${var.name}: queries take longer than ${var.query_p98_seconds} s"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [for label in local.told.stale : local.channels[label]]

  conditions {
    display_name = "p98 of queries"

    condition_prometheus_query_language {
      query                     = "histogram_quantile(0.98, sum by (le) (increase(bigquery_googleapis_com:query_execution_times_bucket{monitored_resource=\"bigquery_project\"}[15m]))) > ${var.query_p98_seconds}"
      duration                  = "300s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close           = "3600s"
    notification_prompts = local.prompts
  }
}
