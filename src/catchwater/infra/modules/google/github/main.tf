# GitHub's workflows become accounts of this project without a key: one repository, its pull requests and one environment.

locals {
  subjects = {
    plan  = "repo:${var.repository}:pull_request"
    apply = "repo:${var.repository}:environment:${var.environment}"
  }
}

resource "google_iam_workload_identity_pool" "this" {
  workload_identity_pool_id = var.pool
  display_name              = "GitHub Actions"
}

resource "google_iam_workload_identity_pool_provider" "this" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.this.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }

  # an empty condition would accept every repository of GitHub
  attribute_condition = "assertion.repository == '${var.repository}' && assertion.sub in ['${local.subjects.plan}', '${local.subjects.apply}']"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}
