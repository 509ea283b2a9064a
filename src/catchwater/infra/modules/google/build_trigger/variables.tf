variable "name" {
  description = "The trigger's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.name))
    error_message = "A trigger's name has at most 63 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "location" {
  description = "The region, such as europe-west2."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.location))
    error_message = "A region such as europe-west2."
  }
}

variable "purpose" {
  description = "What is built, shown as the trigger's description."
  type        = string
}

variable "filename" {
  description = "The build file in the repository."
  type        = string

  validation {
    condition     = endswith(var.filename, ".yaml")
    error_message = "The path of a .yaml file in the repository."
  }
}

variable "account" {
  description = "The full name (projects/…/serviceAccounts/…) of the account that the build runs as."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/serviceAccounts/[^/]+$", var.account))
    error_message = "Written projects/PROJECT/serviceAccounts/ADDRESS."
  }
}

variable "repository" {
  description = "The repository as Cloud Build knows it once a person has connected it: projects/…/connections/…/repositories/…."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/connections/[^/]+/repositories/[^/]+$", var.repository))
    error_message = "Written projects/PROJECT/locations/REGION/connections/NAME/repositories/NAME."
  }
}

variable "main" {
  description = "Whether the build is of main; otherwise of every branch but main."
  type        = bool
}

variable "substitutions" {
  description = "What the build file is told: _NAME to value; never a secret."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.substitutions) : can(regex("^_[A-Z0-9_]+$", name))])
    error_message = "A substitution's name begins with _ and has capital letters, digits and _."
  }
}
