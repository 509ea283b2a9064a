# Messages on their way to a step: a queue, the queue for those that no try could take, and the mapping that brings
# them to the function in batches. A message that the function names in its answer is kept, the others are deleted.

resource "aws_sqs_queue" "this" {
  name                       = var.name
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = var.timeout * 6
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = var.dead_letter_arn
    maxReceiveCount     = 5
  })
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = aws_sqs_queue.this.arn
  function_name                      = var.function
  batch_size                         = 1000
  maximum_batching_window_in_seconds = var.window
  function_response_types            = ["ReportBatchItemFailures"]

  # Two wakes at once race for one number of the log: more would only lose more often.
  scaling_config {
    maximum_concurrency = 2
  }
}
