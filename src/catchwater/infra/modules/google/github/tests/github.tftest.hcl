variables {
  pool        = "shop-prod-github"
  repository  = "example/shop"
  environment = "prod"
}

run "one_repository_and_two_subjects" {
  command = plan

  assert {
    condition     = google_iam_workload_identity_pool_provider.this.attribute_condition == "assertion.repository == 'example/shop' && assertion.sub in ['repo:example/shop:pull_request', 'repo:example/shop:environment:prod']"
    error_message = "The condition must name the repository and both subjects exactly."
  }
}

run "an_owner_alone_is_no_repository" {
  command = plan

  variables {
    repository = "example"
  }

  expect_failures = [var.repository]
}

run "a_quote_can_not_widen_the_condition" {
  command = plan

  variables {
    repository = "example/shop' || true || '"
  }

  expect_failures = [var.repository]
}
