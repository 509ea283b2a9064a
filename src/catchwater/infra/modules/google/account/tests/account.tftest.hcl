variables {
  name    = "events-dev-load"
  purpose = "load:bigquery of events in dev"
}

run "an_account_has_nothing_by_itself" {
  command = plan

  assert {
    condition     = length(google_project_iam_member.this) == 0
    error_message = "No role was asked for."
  }
}

run "no_basic_role" {
  command = plan

  variables {
    roles = { "roles/editor" = "" }
  }

  expect_failures = [var.roles]
}

run "no_pattern_of_identities" {
  command = plan

  variables {
    federated = { all = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*" }
  }

  expect_failures = [var.federated]
}
