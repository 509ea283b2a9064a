variables {
  repository  = "example@123456/shop@456789"
  environment = "prod"

  plan = {
    name = "shop-prod-ci-plan"
    policies = {
      storage = [{ sid = "Bucket", actions = ["s3:GetBucketPolicy"], resources = ["arn:aws:s3:::shop-prod-*"] }]
    }
  }

  apply = {
    name = "shop-prod-ci-apply"
    policies = {
      storage = [{
        sid        = "Pass"
        actions    = ["iam:PassRole"]
        resources  = ["arn:aws:iam::111122223333:role/shop-prod-*"]
        conditions = { StringEquals = { "iam:PassedToService" = ["lambda.amazonaws.com"] } }
      }]
    }
  }
}

run "subject_and_audience_are_compared_whole" {
  assert {
    condition = jsondecode(aws_iam_role.this["apply"].assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:example@123456/shop@456789:environment:prod"
      }
    }
    error_message = "only jobs of the environment may apply"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example@123456/shop@456789:pull_request"
    error_message = "only pull requests may plan"
  }
}

run "conditions_reach_the_policy" {
  assert {
    condition     = jsondecode(aws_iam_policy.this["apply storage"].policy).Statement[0].Condition.StringEquals["iam:PassedToService"] == ["lambda.amazonaws.com"]
    error_message = "a role is passed to the named services alone"
  }

  assert {
    condition     = !can(jsondecode(aws_iam_policy.this["plan storage"].policy).Statement[0].Condition)
    error_message = "IAM refuses an empty Condition"
  }
}

run "the_account_has_a_provider_already" {
  variables {
    provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0 && output.provider_arn == var.provider_arn
    error_message = "it is used, and no second one made"
  }
}

run "no_wildcard_gets_into_the_subject" {
  command = plan

  variables {
    repository = "example/*"
  }

  expect_failures = [var.repository]
}

run "no_action_has_a_wildcard" {
  command = plan

  variables {
    apply = {
      name     = "shop-prod-ci-apply"
      policies = { storage = [{ sid = "All", actions = ["s3:*"], resources = ["*"] }] }
    }
  }

  expect_failures = [var.apply]
}
