# The URL that signed deliveries come to. It is public because senders like GitHub sign their requests with a secret
# of ours and know nothing of AWS: the function checks the signature before it takes anything.

resource "aws_lambda_function_url" "this" {
  function_name      = var.function
  authorization_type = "NONE"
}

resource "aws_lambda_permission" "url" {
  statement_id           = "webhook-url"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function_url.this.function_name
  principal              = "*"
  function_url_auth_type = "NONE"
}

# Since October 2025 a URL needs this one as well.
resource "aws_lambda_permission" "invoke" {
  statement_id             = "webhook-invoke"
  action                   = "lambda:InvokeFunction"
  function_name            = aws_lambda_function_url.this.function_name
  principal                = "*"
  invoked_via_function_url = true
}
