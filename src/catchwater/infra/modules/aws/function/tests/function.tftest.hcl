variables {
  name        = "shop-dev-ingest-shop"
  description = "ingest:shop"
  dead_letter = "shop-dev-ingest-shop-dead"
  memory      = 1024
  timeout     = 900
  environment = { CATCHWATER_STEP = "ingest:shop" }

  archive = {
    bucket = "shop-dev-artifacts-111122223333"
    key    = "lambda/catchwater-lambda.zip"
    hash   = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
  }

  statements = [
    { sid = "Read", actions = ["s3:GetObject"], resources = ["arn:aws:s3:::shop/*"], because = "the log" },
    { sid = "List", actions = ["s3:ListBucket"], resources = ["arn:aws:s3:::shop"], conditions = { StringLike = { "s3:prefix" = ["shop/*"] } } },
  ]
}

run "the_statements_are_the_policy" {
  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement == [
      { Sid = "Read", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["arn:aws:s3:::shop/*"] },
      { Sid = "List", Effect = "Allow", Action = ["s3:ListBucket"], Resource = ["arn:aws:s3:::shop"], Condition = { StringLike = { "s3:prefix" = ["shop/*"] } } },
    ]
    error_message = "nothing more, nothing less, and no empty condition"
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0 && length(aws_sqs_queue_policy.dead) == 0
    error_message = "no VPC, and nobody else's events in the queue"
  }
}

run "failures_are_kept" {
  assert {
    condition     = aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 2 && aws_lambda_function.this.dead_letter_config[0].target_arn == aws_sqs_queue.dead.arn
    error_message = "three tries, then the queue"
  }
}

run "no_action_has_a_wildcard" {
  command = plan

  variables {
    statements = [{ sid = "All", actions = ["s3:*"], resources = ["*"] }]
  }

  expect_failures = [var.statements]
}

run "a_group_by_id_or_by_name" {
  command = plan

  variables {
    network = { vpc = "vpc-1", subnets = ["subnet-1"] }
  }

  expect_failures = [var.network]
}
