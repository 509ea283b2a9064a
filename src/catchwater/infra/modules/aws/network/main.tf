# How steps in a VPC without a way out reach what they use: S3 by a gateway endpoint, the other services by interface
# endpoints, databases by the port of Postgres. Nothing else.

locals {
  group = var.security_group_id == null ? aws_security_group.steps[0].id : var.security_group_id
}

resource "aws_security_group" "steps" {
  count                  = var.security_group_id == null ? 1 : 0
  name                   = var.name
  description            = "The steps that reach a database in this VPC"
  vpc_id                 = var.vpc
  revoke_rules_on_delete = true

  tags = {
    Name = var.name
  }
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  count                        = var.security_group_id == null ? 1 : 0
  security_group_id            = local.group
  referenced_security_group_id = aws_security_group.endpoints.id
  description                  = "The interface endpoints"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  count             = var.security_group_id == null ? 1 : 0
  security_group_id = local.group
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  description       = "S3, by its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# The source's address is in a secret, so that only its port is known here.
resource "aws_vpc_security_group_egress_rule" "databases" {
  count             = var.security_group_id == null ? 1 : 0
  security_group_id = local.group
  cidr_ipv4         = "0.0.0.0/0"
  description       = "Databases, by the port of Postgres"
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}

resource "aws_security_group" "endpoints" {
  name                   = "${var.name}-endpoints"
  description            = "The interface endpoints that the steps reach"
  vpc_id                 = var.vpc
  revoke_rules_on_delete = true

  tags = {
    Name = "${var.name}-endpoints"
  }
}

data "aws_vpc" "this" {
  id = var.vpc
}

# The private names of the endpoints hold for the whole VPC: whoever else is in it must go on reaching the services.
resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id = aws_security_group.endpoints.id
  cidr_ipv4         = data.aws_vpc.this.cidr_block
  description       = "The VPC"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# No policy of its own: the route is for everybody in these subnets, and what a step may do is in its role.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = var.vpc
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_tables

  tags = {
    Name = "${var.name}-s3"
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = var.services
  vpc_id              = var.vpc
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = var.subnets
  security_group_ids  = [aws_security_group.endpoints.id]

  tags = {
    Name = "${var.name}-${each.key}"
  }
}
