# Each role is trusted by one audience and one subject, both exact.

variables {
  repository  = "example/shop"
  environment = "prod"
  plan        = { name = "shop-prod-plan", policies = {} }
  apply       = { name = "shop-prod-apply", policies = {} }
}

run "exact_subjects" {
  assert {
    condition = {
      for purpose, role in aws_iam_role.this :
      purpose => jsondecode(role.assume_role_policy).Statement[0].Condition
      } == {
      plan  = { StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com", "token.actions.githubusercontent.com:sub" = "repo:example/shop:pull_request" } }
      apply = { StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com", "token.actions.githubusercontent.com:sub" = "repo:example/shop:environment:prod" } }
    }
    error_message = "A role trusts another audience or subject."
  }
}

run "the_provider_of_the_account" {
  variables {
    provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0
    error_message = "An account has one provider for GitHub."
  }
}

run "every_repository" {
  command         = plan
  expect_failures = [var.repository]

  variables {
    repository = "example/*"
  }
}

run "every_action" {
  command         = plan
  expect_failures = [var.apply]

  variables {
    apply = { name = "shop-prod-apply", policies = { all = [{ sid = "All", actions = ["s3:*"], resources = ["*"] }] } }
  }
}
