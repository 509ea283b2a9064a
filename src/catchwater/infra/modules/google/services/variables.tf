variable "project" {
  description = "The id of the Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id has 6 to 30 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "services" {
  description = "The APIs to enable, such as storage.googleapis.com; with eventarc.googleapis.com its agents get their grants."
  type        = set(string)

  validation {
    condition     = length(var.services) > 0 && alltrue([for name in var.services : endswith(name, ".googleapis.com")])
    error_message = "Name at least one API, each ending in .googleapis.com."
  }
}

variable "wait" {
  description = "Seconds to wait for Google's service agents to appear after their APIs are enabled."
  type        = number
  default     = 120

  validation {
    condition     = var.wait >= 0 && var.wait <= 600 && floor(var.wait) == var.wait
    error_message = "A whole number of seconds from 0 to 600."
  }
}
