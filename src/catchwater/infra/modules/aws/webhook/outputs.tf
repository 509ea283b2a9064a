output "url" {
  description = "Where deliveries are sent: this, then v1/webhooks/SOURCE."
  value       = aws_lambda_function_url.this.function_url
}
