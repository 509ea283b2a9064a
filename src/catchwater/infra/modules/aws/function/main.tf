# One step as a Lambda function: its log group first, its role with exactly the derived grants, and a queue for the
# events that it could not handle.

locals {
  in_vpc = var.network == null ? [] : [var.network]

  # IAM has no place for the reasons, and refuses an empty Condition
  statements = [
    for each in var.statements : merge(
      { Sid = each.sid, Effect = "Allow", Action = each.actions, Resource = each.resources },
      length(each.conditions) == 0 ? {} : { Condition = each.conditions },
    )
  ]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 30
}

resource "aws_sqs_queue" "dead" {
  name                      = var.dead_letter
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# The rules that wake the function leave here what they could not deliver (a schedule does so under its own role).
resource "aws_sqs_queue_policy" "dead" {
  count     = length(var.rule_arns) > 0 ? 1 : 0
  queue_url = aws_sqs_queue.dead.url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Undelivered"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.dead.arn
      Condition = { ArnEquals = { "aws:SourceArn" = var.rule_arns } }
    }]
  })
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = var.description

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "grants"
  role   = aws_iam_role.this.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# Named, or made by the storage stack under its own name: found by whichever is known.
data "aws_security_group" "this" {
  count  = length(local.in_vpc)
  id     = var.network.security_group_id
  name   = var.network.security_group_name
  vpc_id = var.network.vpc
}

resource "aws_lambda_function" "this" {
  function_name                  = var.name
  description                    = var.description
  role                           = aws_iam_role.this.arn
  runtime                        = var.runtime
  architectures                  = ["x86_64"]
  handler                        = var.handler
  s3_bucket                      = var.archive.bucket
  s3_key                         = var.archive.key
  source_code_hash               = var.archive.hash
  memory_size                    = var.memory
  timeout                        = var.timeout
  reserved_concurrent_executions = var.concurrency

  environment {
    variables = var.environment
  }

  ephemeral_storage {
    size = var.disk
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead.arn
  }

  logging_config {
    log_format = "Text" # the handler writes JSON lines of its own, and the metrics among them
    log_group  = aws_cloudwatch_log_group.this.name
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc

    content {
      subnet_ids         = vpc_config.value.subnets
      security_group_ids = [data.aws_security_group.this[0].id]
    }
  }

  depends_on = [aws_iam_role_policy.this]
}

# An event is tried three times in all; then the queue gets it twice: as it came, and with the error that it ended in.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead.arn
    }
  }
}
