variable "role" {
  description = "Name of the role that logs in."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.role))
    error_message = "A role's name has at most 64 characters."
  }
}

variable "user" {
  description = "The database's user, who was granted rds_iam."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]{0,62}$", var.user))
    error_message = "A user's name has at most 63 letters, digits and _."
  }
}

variable "resource_id" {
  description = "What AWS calls the database: DbiResourceId of an instance, DbClusterResourceId of a cluster."
  type        = string

  validation {
    condition     = can(regex("^(db|cluster)-[A-Z0-9]+$", var.resource_id))
    error_message = "It looks like db-ABCDEFGHIJKLMNOP: aws rds describe-db-instances --query DBInstances[].DbiResourceId"
  }
}

variable "region" {
  description = "The database's region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region looks like eu-west-2."
  }
}

variable "account" {
  description = "The database's account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "An account's number has 12 digits."
  }
}
