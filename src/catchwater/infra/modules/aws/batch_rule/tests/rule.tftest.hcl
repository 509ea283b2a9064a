variables {
  name            = "shop-dev-process-orders"
  description     = "Batches wake process:orders"
  bucket          = "shop-dev-ingestion-111122223333"
  logs            = ["shop", "shop_two"]
  dead_letter_arn = "arn:aws:sqs:eu-west-2:111122223333:shop-dev-process-orders-dead"
  target          = { kind = "function", arn = "arn:aws:lambda:eu-west-2:111122223333:function:shop-dev-process-orders" }
}

run "only_manifests_of_the_named_logs" {
  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this.event_pattern).detail == {
      bucket = { name = ["shop-dev-ingestion-111122223333"] }
      object = { key = [{ prefix = "shop/_log/" }, { prefix = "shop_two/_log/" }] }
    }
    error_message = "not their data files, not other logs, not other buckets"
  }

  assert {
    condition     = aws_lambda_permission.this[0].source_arn == aws_cloudwatch_event_rule.this.arn && aws_lambda_permission.this[0].function_name == "shop-dev-process-orders"
    error_message = "this rule may invoke this function"
  }
}

run "a_workflow_is_notified_under_a_role" {
  variables {
    target = { kind = "workflow", arn = "arn:aws:glue:eu-west-2:111122223333:workflow/shop-dev-process-orders" }
  }

  assert {
    condition     = length(aws_lambda_permission.this) == 0 && jsondecode(aws_iam_role_policy.notify[0].policy).Statement[0].Resource == [var.target.arn]
    error_message = "the role may notify this workflow and nothing else"
  }
}

run "a_pattern_that_is_too_long" {
  command = plan

  variables {
    logs = [for number in range(80) : "source_number_${number}"]
  }

  expect_failures = [var.logs]
}
