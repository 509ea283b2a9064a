variables {
  project     = "shop"
  environment = "dev"
  account     = "111122223333"

  topics = {
    alerts   = { name = "shop-dev-alerts", emails = ["a@example.org", "b@example.org"], events = ["failure", "recovery"] }
    alerts_2 = { name = "shop-dev-alerts-2", emails = ["a@example.org"], events = ["stale"] }
  }

  steps = [
    { name = "ingest:shop", alarm = "shop-dev-ingest-shop", function = "shop-dev-ingest-shop", dead_letter = "shop-dev-ingest-shop-dead", stale_minutes = 30 },
    { name = "load:postgres", alarm = "shop-dev-load-postgres", function = "shop-dev-load-postgres", dead_letter = "shop-dev-load-postgres-dead", stale_minutes = 0 },
    { name = "ingest:slow", alarm = "shop-dev-ingest-slow", function = "shop-dev-ingest-slow", dead_letter = "shop-dev-ingest-slow-dead", stale_minutes = 4320 },
    { name = "process:big", alarm = "shop-dev-process-big", job = { name = "shop-dev-process-big", rule = "shop-dev-process-big-ended" }, dead_letter = "shop-dev-process-big-dead", stale_minutes = 0 },
  ]
}

run "each_event_reaches_who_asked_for_it" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.failures["ingest:shop"].alarm_actions == toset([aws_sns_topic.this["alerts"].arn])
    error_message = "a failure goes to the first topic alone"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.stale["ingest:shop"].alarm_actions == toset([aws_sns_topic.this["alerts_2"].arn])
    error_message = "silence goes to the second"
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 3
    error_message = "each address is subscribed where it stands"
  }
}

run "silence_is_an_alarm" {
  assert {
    condition = alltrue([
      aws_cloudwatch_metric_alarm.stale["ingest:shop"].treat_missing_data == "breaching",
      aws_cloudwatch_metric_alarm.stale["ingest:shop"].metric_name == "successes",
      aws_cloudwatch_metric_alarm.stale["ingest:shop"].period * aws_cloudwatch_metric_alarm.stale["ingest:shop"].evaluation_periods == 30 * 60,
    ])
    error_message = "no measurement in thirty minutes is a breach"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.stale["ingest:slow"].period == 3600 && aws_cloudwatch_metric_alarm.stale["ingest:slow"].evaluation_periods == 72
    error_message = "CloudWatch looks back a day by the minute, a week by the hour"
  }

  assert {
    condition     = join(",", keys(aws_cloudwatch_metric_alarm.stale)) == "ingest:shop,ingest:slow"
    error_message = "what commits wake may be silent"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.failures["ingest:shop"].treat_missing_data == "notBreaching"
    error_message = "no wake is no failure"
  }
}

run "functions_and_jobs_that_end_without_a_word" {
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.errors) == 3 && join(",", keys(aws_cloudwatch_event_rule.jobs)) == "process:big"
    error_message = "functions by their errors, jobs by their end"
  }

  assert {
    condition     = join(",", keys(aws_cloudwatch_event_target.jobs)) == "process:big alerts"
    error_message = "only who asked for failures hears of it"
  }
}
