output "name" {
  description = "Name of the job."
  value       = aws_glue_job.this.name
}

output "workflow" {
  description = "Name of the workflow that starts the job; null without a trigger."
  value       = one(aws_glue_workflow.this[*].name)
}

output "dead_letter" {
  description = "The queue of undelivered events: its ARN and URL."
  value       = { arn = aws_sqs_queue.dead.arn, url = aws_sqs_queue.dead.url }
}
