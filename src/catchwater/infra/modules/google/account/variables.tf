variable "name" {
  description = "The account's id, the part of its address before @."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name))
    error_message = "An account's id has 6 to 30 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "purpose" {
  description = "What the account is for, shown as its name."
  type        = string

  validation {
    condition     = length(var.purpose) > 0 && length(var.purpose) <= 100
    error_message = "Say in at most 100 characters what the account is for."
  }
}

variable "roles" {
  description = "Roles on the whole project: role to an IAM condition, or to an empty text where none is needed."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for role in keys(var.roles) : startswith(role, "roles/") && !contains(["roles/owner", "roles/editor", "roles/viewer"], role)])
    error_message = "Roles are written roles/…, and no basic role is given."
  }
}

variable "users" {
  description = "Who may run something as this account: label to member."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for member in values(var.users) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts run something as this account."
  }
}

variable "federated" {
  description = "Identities of other providers that may become this account: label to principal:// or principalSet://."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for member in values(var.federated) : can(regex("^principal(Set)?://iam\\.googleapis\\.com/projects/[^*]+$", member))])
    error_message = "Name each identity as principal://iam.googleapis.com/… or principalSet://iam.googleapis.com/…, without *."
  }
}
