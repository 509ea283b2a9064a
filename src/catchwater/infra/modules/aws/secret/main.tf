# A place for one secret. Its value is put there by hand, or by a write-only argument: it is in no state and no plan.

resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = var.description
  recovery_window_in_days = 7
}

resource "aws_secretsmanager_secret_version" "this" {
  count                    = var.value_version > 0 ? 1 : 0
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = var.value
  secret_string_wo_version = var.value_version
}
