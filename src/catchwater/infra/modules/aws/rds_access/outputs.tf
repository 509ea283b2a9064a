output "policy" {
  description = "Name of the inline policy."
  value       = aws_iam_role_policy.this.name
}
