# A committed batch wakes a step: the rule matches LOG/_log/NUMBER/query_log.json of the named logs, whose _log/ holds
# nothing else (a prefix, since EventBridge refuses patterns with many wildcards as too complex).

locals {
  to_function = var.target.kind == "function"
}

resource "aws_cloudwatch_event_rule" "this" {
  name        = var.name
  description = var.description

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = [for log in var.logs : { prefix = "${log}/_log/" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "this" {
  rule     = aws_cloudwatch_event_rule.this.name
  arn      = var.target.arn
  role_arn = local.to_function ? null : aws_iam_role.notify[0].arn

  retry_policy {
    maximum_retry_attempts       = 8
    maximum_event_age_in_seconds = 3600
  }

  dead_letter_config {
    arn = var.dead_letter_arn
  }
}

resource "aws_lambda_permission" "this" {
  count         = local.to_function ? 1 : 0
  statement_id  = var.name
  action        = "lambda:InvokeFunction"
  function_name = split(":", var.target.arn)[6]
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this.arn
}

resource "aws_iam_role" "notify" {
  count = local.to_function ? 0 : 1
  name  = var.name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "events.amazonaws.com" }
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.this.arn } }
    }]
  })
}

resource "aws_iam_role_policy" "notify" {
  count = local.to_function ? 0 : 1
  name  = "notify"
  role  = aws_iam_role.notify[0].name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "Notify", Effect = "Allow", Action = ["glue:NotifyEvent"], Resource = [var.target.arn] }]
  })
}
