# One schedule of EventBridge Scheduler that wakes one function.

resource "aws_iam_role" "this" {
  name = var.name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = split(":", var.function_arn)[4] } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "wake"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Wake", Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = [var.function_arn] },
      { Sid = "DeadLetter", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [var.dead_letter_arn] },
    ]
  })
}

resource "aws_scheduler_schedule" "this" {
  name                = var.name
  description         = var.description
  schedule_expression = var.expression

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.function_arn
    role_arn = aws_iam_role.this.arn
    input    = jsonencode({ trigger = "schedule" })

    # The default is 185 retries in a day: a wake that is missed is caught up by the next one.
    retry_policy {
      maximum_retry_attempts       = 2
      maximum_event_age_in_seconds = 300
    }

    dead_letter_config {
      arn = var.dead_letter_arn
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
