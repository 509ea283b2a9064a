output "topic_arns" {
  description = "ARNs of the topics, by their key."
  value       = { for key, each in aws_sns_topic.this : key => each.arn }
}

output "alarm_names" {
  description = "Names of all alarms."
  value = sort(concat(
    [for each in aws_cloudwatch_metric_alarm.failures : each.alarm_name],
    [for each in aws_cloudwatch_metric_alarm.errors : each.alarm_name],
    [for each in aws_cloudwatch_metric_alarm.dead_letters : each.alarm_name],
    [for each in aws_cloudwatch_metric_alarm.stale : each.alarm_name],
  ))
}
