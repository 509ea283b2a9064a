output "provider_arn" {
  description = "ARN of the account's provider for GitHub."
  value       = local.provider_arn
}

output "role_arns" {
  description = "ARNs of the roles, plan and apply: what the workflow names."
  value       = { for purpose, role in aws_iam_role.this : purpose => role.arn }
}
