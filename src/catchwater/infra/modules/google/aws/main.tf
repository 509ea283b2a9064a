# A role of AWS becomes an account of this project without a key.

resource "google_iam_workload_identity_pool" "this" {
  workload_identity_pool_id = var.pool
  display_name              = "AWS ${var.account}"
}

resource "google_iam_workload_identity_pool_provider" "this" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.this.workload_identity_pool_id
  workload_identity_pool_provider_id = "aws-role" # at least four characters

  # the subject may have 127 characters, fewer than a role and a session together
  attribute_mapping = {
    "google.subject"     = "assertion.arn.extract('assumed-role/{role}/')"
    "attribute.aws_role" = "assertion.arn.extract('{account}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role}/')"
  }

  attribute_condition = "assertion.account == '${var.account}' && assertion.arn.startsWith('arn:aws:sts::${var.account}:assumed-role/${var.role}/')"

  aws {
    account_id = var.account
  }
}
