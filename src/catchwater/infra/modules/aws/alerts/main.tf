# Who hears of what: a topic with its e-mail addresses, and the alarms that write to it.

locals {
  steps = { for each in var.steps : each.name => each }
  jobs  = { for each in var.steps : each.name => each if each.job != null }
  hears = {
    for event in ["failure", "recovery", "stale"] :
    event => [for key, each in var.topics : aws_sns_topic.this[key].arn if contains(each.events, event)]
  }
  mails = merge([
    for key, each in var.topics : { for address in each.emails : "${key} ${address}" => { topic = key, address = address } }
  ]...)
}

# Not under a KMS key: alarms may not write to a topic under AWS's own key, and the mails leave AWS as they are.
resource "aws_sns_topic" "this" {
  for_each = var.topics
  name     = each.value.name
}

# Only alarms and rules of this account write to the topic.
resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this
  arn      = each.value.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = each.value.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

# Its owner confirms an address by the mail that AWS sends there.
resource "aws_sns_topic_subscription" "email" {
  for_each  = local.mails
  topic_arn = aws_sns_topic.this[each.value.topic].arn
  protocol  = "email"
  endpoint  = each.value.address
}

# A wake that failed, as the step itself measured it. No wake is no failure.
resource "aws_cloudwatch_metric_alarm" "failures" {
  for_each            = local.steps
  alarm_name          = "${each.value.alarm}-failures"
  alarm_description   = "${each.key} failed. See catchwater runs --env ${var.environment}, and its log."
  namespace           = "Catchwater"
  metric_name         = "failures"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.hears.failure
  ok_actions          = local.hears.recovery

  dimensions = {
    project     = var.project
    environment = var.environment
    step        = each.key
  }
}

# A function that ended without measuring anything: out of memory, out of time, not able to start.
resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each            = { for name, each in local.steps : name => each if each.function != null }
  alarm_name          = "${each.value.alarm}-errors"
  alarm_description   = "${each.value.function} ended in an error. See its log: /aws/lambda/${each.value.function}."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.hears.failure
  ok_actions          = local.hears.recovery

  dimensions = {
    FunctionName = each.value.function
  }
}

# A Glue job that ended without measuring anything: not able to start, out of time.
resource "aws_cloudwatch_event_rule" "jobs" {
  for_each    = local.jobs
  name        = each.value.job.rule
  description = "${each.value.job.name} ended in an error"

  event_pattern = jsonencode({
    source      = ["aws.glue"]
    detail-type = ["Glue Job State Change"]
    detail      = { jobName = [each.value.job.name], state = ["ERROR", "FAILED", "TIMEOUT"] }
  })
}

resource "aws_cloudwatch_event_target" "jobs" {
  for_each = merge([
    for name, each in local.jobs : {
      for key, topic in var.topics : "${name} ${key}" => { step = name, topic = key } if contains(topic.events, "failure")
    }
  ]...)
  rule = aws_cloudwatch_event_rule.jobs[each.value.step].name
  arn  = aws_sns_topic.this[each.value.topic].arn
}

# An event that could not be handled in three tries, or not be delivered.
resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each            = local.steps
  alarm_name          = "${each.value.alarm}-dead-letters"
  alarm_description   = "Events that ${each.key} could not handle wait in ${each.value.dead_letter}."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.hears.failure
  ok_actions          = local.hears.recovery

  dimensions = {
    QueueName = each.value.dead_letter
  }
}

# No successful wake for as long as the project's promise allows: silence is the alarm.
resource "aws_cloudwatch_metric_alarm" "stale" {
  for_each            = { for name, each in local.steps : name => each if each.stale_minutes > 0 }
  alarm_name          = "${each.value.alarm}-stale"
  alarm_description   = "${each.key} had no successful run in ${each.value.stale_minutes} minutes."
  namespace           = "Catchwater"
  metric_name         = "successes"
  statistic           = "Sum"
  period              = each.value.stale_minutes > 1440 ? 3600 : 60 # a look back of over a day goes by the hour
  evaluation_periods  = each.value.stale_minutes > 1440 ? ceil(each.value.stale_minutes / 60) : each.value.stale_minutes
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = local.hears.stale
  ok_actions          = local.hears.recovery

  dimensions = {
    project     = var.project
    environment = var.environment
    step        = each.key
  }
}
