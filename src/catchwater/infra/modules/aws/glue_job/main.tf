# One step as a Glue job on Spark: its log groups first, its role unless one is passed in, and the workflow by which
# events start it unless a trigger of yours does.

locals {
  makes_role    = var.role_arn == null
  makes_trigger = var.trigger

  statements = [
    for each in var.statements : merge(
      { Sid = each.sid, Effect = "Allow", Action = each.actions, Resource = each.resources },
      length(each.conditions) == 0 ? {} : { Condition = each.conditions },
    )
  ]
  arguments = merge(
    { for name, value in var.settings : "--${name}" => value },
    {
      "--additional-python-modules" = join(",", var.modules)
      "--custom-logGroup-prefix"    = "/aws-glue/jobs/${var.name}"
      "--enable-auto-scaling"       = "true"
      "--job-bookmark-option"       = "job-bookmark-disable" # what was taken stands in the logs of the lake
    },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  for_each          = toset(["error", "output"])
  name              = "/aws-glue/jobs/${var.name}/${each.key}"
  retention_in_days = 30
}

resource "aws_sqs_queue" "dead" {
  name                      = var.dead_letter
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# The rules that start the job leave here what they could not deliver.
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
  count       = local.makes_role ? 1 : 0
  name        = var.name
  description = var.description

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "glue.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  count  = local.makes_role ? 1 : 0
  name   = "grants"
  role   = aws_iam_role.this[0].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_glue_job" "this" {
  name              = var.name
  description       = var.description
  role_arn          = local.makes_role ? aws_iam_role.this[0].arn : var.role_arn
  glue_version      = "5.0"
  worker_type       = "G.1X"
  number_of_workers = var.workers
  timeout           = var.timeout
  max_retries       = 1
  default_arguments = local.arguments

  command {
    name            = "glueetl"
    python_version  = "3"
    script_location = var.script
  }

  # A second run sees what was committed since the first began; if both want one number of a log, one loses cleanly.
  execution_property {
    max_concurrent_runs = 2
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_glue_workflow" "this" {
  count               = local.makes_trigger ? 1 : 0
  name                = var.name
  description         = var.description
  max_concurrent_runs = 2
}

resource "aws_glue_trigger" "this" {
  count         = local.makes_trigger ? 1 : 0
  name          = var.name
  type          = "EVENT"
  workflow_name = aws_glue_workflow.this[0].name

  actions {
    job_name = aws_glue_job.this.name
  }

  # A job takes minutes to start: commits are gathered for a while before one does.
  event_batching_condition {
    batch_size   = 100
    batch_window = 900
  }
}
