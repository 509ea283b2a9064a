# Workflows of one repository on GitHub take a role by their own token, without a key: pull requests one that reads,
# jobs of the protected environment one that applies.

locals {
  issuer       = "token.actions.githubusercontent.com"
  provider_arn = var.provider_arn == null ? aws_iam_openid_connect_provider.this[0].arn : var.provider_arn

  trusts = {
    for purpose, subject in {
      plan  = "repo:${var.repository}:pull_request"
      apply = "repo:${var.repository}:environment:${var.environment}"
      } : purpose => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Action    = "sts:AssumeRoleWithWebIdentity"
          Principal = { Federated = local.provider_arn }
          Condition = {
            StringEquals = {
              "${local.issuer}:aud" = "sts.amazonaws.com"
              "${local.issuer}:sub" = subject
            }
          }
        }]
    })
  }
}

# An account has one provider for GitHub: pass its ARN where there is one already.
resource "aws_iam_openid_connect_provider" "this" {
  count          = var.provider_arn == null ? 1 : 0
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each             = { plan = var.plan, apply = var.apply }
  name                 = each.value.name
  description          = "${each.key} from ${var.repository}"
  assume_role_policy   = local.trusts[each.key]
  max_session_duration = 3600
}

resource "aws_iam_policy" "this" {
  for_each = merge(
    { for stack, statements in var.plan.policies : "plan ${stack}" => { role = var.plan.name, stack = stack, statements = statements } },
    { for stack, statements in var.apply.policies : "apply ${stack}" => { role = var.apply.name, stack = stack, statements = statements } },
  )
  name        = "${each.value.role}-${each.value.stack}"
  description = "What ${each.key} needs"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for each in each.value.statements : merge(
        { Sid = each.sid, Effect = "Allow", Action = each.actions, Resource = each.resources },
        length(each.conditions) == 0 ? {} : { Condition = each.conditions },
      )
    ]
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = aws_iam_policy.this
  role       = aws_iam_role.this[split(" ", each.key)[0]].name
  policy_arn = each.value.arn
}
