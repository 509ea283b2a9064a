output "provider" {
  description = "The provider's full name, which the external-account configuration has as its audience."
  value       = google_iam_workload_identity_pool_provider.this.name
}

output "member" {
  description = "The role as IAM policies name it."
  value       = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.this.name}/attribute.aws_role/arn:aws:sts::${var.account}:assumed-role/${var.role}"
}
