output "provider" {
  description = "The provider's full name, which the workflow gives as workload_identity_provider."
  value       = google_iam_workload_identity_pool_provider.this.name
}

output "plan" {
  description = "The identity of workflows of a pull request."
  value       = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.this.name}/subject/${local.subjects.plan}"
}

output "apply" {
  description = "The identity of workflows of the protected environment."
  value       = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.this.name}/subject/${local.subjects.apply}"
}
