output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "role" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "dead_letter" {
  description = "The queue of unhandled events: its ARN and URL."
  value       = { arn = aws_sqs_queue.dead.arn, url = aws_sqs_queue.dead.url }
}
