# The right to log in to one database of RDS as one of its users, by a token in place of a password.

resource "aws_iam_role_policy" "this" {
  name = "connect-${var.user}"
  role = var.role

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Connect"
      Effect   = "Allow"
      Action   = ["rds-db:connect"]
      Resource = ["arn:aws:rds-db:${var.region}:${var.account}:dbuser:${var.resource_id}/${var.user}"]
    }]
  })
}
