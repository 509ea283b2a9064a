variable "name" {
  description = "Name of the steps' security group, and how the others begin."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,245}$", var.name)) && !startswith(var.name, "sg-")
    error_message = "A group's name has at most 245 characters here, and doesn't begin with sg-."
  }
}

variable "region" {
  description = "The VPC's region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region looks like eu-west-2."
  }
}

variable "vpc" {
  description = "Id of the VPC."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-z]+$", var.vpc))
    error_message = "A VPC's id looks like vpc-0a1b2c3d."
  }
}

variable "subnets" {
  description = "Ids of the subnets that the steps run in, in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.subnets) > 0 && alltrue([for id in var.subnets : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "Each is the id of a subnet: subnet-0a1b2c3d."
  }
}

variable "route_tables" {
  description = "Ids of the route tables of these subnets: the way to S3 is written into them."
  type        = list(string)

  validation {
    condition     = length(var.route_tables) > 0 && alltrue([for id in var.route_tables : can(regex("^rtb-[0-9a-z]+$", id))])
    error_message = "Each is the id of a route table: rtb-0a1b2c3d."
  }
}

variable "security_group_id" {
  description = "An existing security group of the steps, whose rules are left alone; null: one is made."
  type        = string
  default     = null

  validation {
    condition     = var.security_group_id == null || can(regex("^sg-[0-9a-z]+$", var.security_group_id))
    error_message = "A security group's id looks like sg-0a1b2c3d."
  }
}

variable "services" {
  description = "The services that steps in the VPC reach, each by an interface endpoint (S3 has its gateway)."
  type        = set(string)

  validation {
    condition     = alltrue([for service in var.services : contains(["lambda", "monitoring", "secretsmanager", "sqs"], service)])
    error_message = "Steps reach lambda, monitoring, secretsmanager and sqs."
  }
}
