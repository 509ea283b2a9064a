variable "pool" {
  description = "The pool's id; one that was deleted is taken for 30 days."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.pool)) && !startswith(var.pool, "gcp-")
    error_message = "A pool's id has 4 to 32 lower-case letters, digits and -, begins with a letter and not with gcp-."
  }
}

variable "repository" {
  description = "The repository as OWNER/NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.repository))
    error_message = "Written OWNER/NAME."
  }
}

variable "environment" {
  description = "The environment of the repository, protected there, whose workflows apply."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.environment)) && length("repo:${var.repository}:environment:${var.environment}") <= 127
    error_message = "Letters, digits, _ and -; with the repository's name at most 127 characters, which is what Google takes."
  }
}
