variable "name" {
  description = "The name of the Cloud Scheduler job."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,500}$", var.name))
    error_message = "A job's name has at most 500 letters, digits, _ and -."
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
  description = "What is woken, shown as the job's description."
  type        = string
}

variable "account" {
  description = "The address of the service account that calls."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\\.iam\\.gserviceaccount\\.com$", var.account))
    error_message = "The address of a service account: name@project.iam.gserviceaccount.com."
  }
}

variable "cron" {
  description = "When, in cron's five fields and UTC."
  type        = string

  validation {
    condition     = can(regex("^\\S+( \\S+){4}$", var.cron))
    error_message = "Five fields: minute hour day month weekday."
  }
}

variable "uri" {
  description = "What is called: a function, a service, or an interface of Google, which the token depends on."
  type        = string

  validation {
    condition     = can(regex("^https://[^/]+", var.uri))
    error_message = "An address that begins with https://."
  }
}

variable "timeout" {
  description = "Seconds that the call may last."
  type        = number

  validation {
    condition     = var.timeout >= 15 && var.timeout <= 1800
    error_message = "From 15 to 1800 seconds."
  }
}

variable "body" {
  description = "What is sent, as JSON; never a secret."
  type        = string
  default     = "{\"trigger\": \"schedule\"}"

  validation {
    condition     = can(jsondecode(var.body))
    error_message = "A text in JSON."
  }
}
