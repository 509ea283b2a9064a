# The warehouse: a Postgres on RDS that only the steps in the VPC reach. Its password is in no state.

data "aws_security_group" "steps" {
  id     = var.network.security_group_id
  name   = var.network.security_group_name
  vpc_id = var.network.vpc
}

resource "aws_security_group" "this" {
  name                   = var.name
  description            = "The warehouse, reached by the steps"
  vpc_id                 = var.network.vpc
  revoke_rules_on_delete = true

  tags = {
    Name = var.name
  }
}

resource "aws_vpc_security_group_ingress_rule" "steps" {
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = data.aws_security_group.steps.id
  description                  = "The steps"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Where the warehouse may be"
  subnet_ids  = var.network.subnets
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.instance_class
  db_name        = var.database
  port           = 5432

  username            = var.username
  password_wo         = var.password
  password_wo_version = var.password_version

  allocated_storage     = var.storage
  max_allocated_storage = var.storage * 10
  storage_type          = "gp3"
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false

  iam_database_authentication_enabled = true
  auto_minor_version_upgrade          = true
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]

  backup_retention_period   = 7
  copy_tags_to_snapshot     = true
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"
}
