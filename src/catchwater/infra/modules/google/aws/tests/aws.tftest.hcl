variables {
  pool    = "shop-prod-aws"
  account = "111122223333"
  role    = "shop-prod-load-bigquery"
}

run "one_role_of_one_account" {
  command = plan

  assert {
    condition     = google_iam_workload_identity_pool_provider.this.attribute_condition == "assertion.account == '111122223333' && assertion.arn.startsWith('arn:aws:sts::111122223333:assumed-role/shop-prod-load-bigquery/')"
    error_message = "The condition must name the account and the role exactly."
  }
}

run "a_role_is_no_pattern" {
  command = plan

  variables {
    role = "*"
  }

  expect_failures = [var.role]
}
