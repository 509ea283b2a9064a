output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "lock_table" {
  description = "Name of the DynamoDB table; null without one."
  value       = one(aws_dynamodb_table.lock[*].name)
}
