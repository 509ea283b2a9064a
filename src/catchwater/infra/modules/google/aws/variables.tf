variable "pool" {
  description = "The pool's id; one that was deleted is taken for 30 days."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.pool)) && !startswith(var.pool, "gcp-")
    error_message = "A pool's id has 4 to 32 lower-case letters, digits and -, begins with a letter and not with gcp-."
  }
}

variable "account" {
  description = "The number of the AWS account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "Twelve digits, in quotes."
  }
}

variable "role" {
  description = "The name of the AWS role."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.role))
    error_message = "The name of a role, not its ARN."
  }
}
