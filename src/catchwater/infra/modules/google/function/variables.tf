variable "name" {
  description = "The function's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.name))
    error_message = "A function's name has at most 63 lower-case letters, digits and -, and begins with a letter."
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
  description = "What the function does, shown as its description."
  type        = string
}

variable "account" {
  description = "The address of the service account that it runs as."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\\.iam\\.gserviceaccount\\.com$", var.account))
    error_message = "The address of a service account: name@project.iam.gserviceaccount.com."
  }
}

variable "build_account" {
  description = "The full name (projects/…/serviceAccounts/…) of the account that builds the function."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/serviceAccounts/[^/]+$", var.build_account))
    error_message = "Written projects/PROJECT/serviceAccounts/ADDRESS."
  }
}

variable "repository" {
  description = "The full name of the Artifact Registry repository that the built image is kept in."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/repositories/[^/]+$", var.repository))
    error_message = "Written projects/PROJECT/locations/REGION/repositories/NAME."
  }
}

variable "source_bucket" {
  description = "The bucket that holds the archive."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.source_bucket))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and -."
  }
}

variable "source_object" {
  description = "The key of the archive, which holds its hash, so that another archive is deployed."
  type        = string

  validation {
    condition     = endswith(var.source_object, ".zip")
    error_message = "An archive's key ends in .zip."
  }
}

variable "entry_point" {
  description = "The Python function that is called."
  type        = string

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]*$", var.entry_point))
    error_message = "The name of a Python function."
  }
}

variable "memory" {
  description = "Memory in MB."
  type        = number

  validation {
    condition     = var.memory >= 128 && var.memory <= 32768
    error_message = "From 128 to 32768 MB."
  }
}

variable "timeout" {
  description = "Seconds that one wake may last."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 540 && floor(var.timeout) == var.timeout
    error_message = "A whole number of seconds from 1 to 540: an event is sent again after ten minutes."
  }
}

variable "min" {
  description = "Instances that are kept warm."
  type        = number

  validation {
    condition     = contains([0, 1], var.min)
    error_message = "0 or 1: one wake at a time is enough."
  }
}

variable "environment" {
  description = "What the handler is told; never a secret."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))])
    error_message = "A variable's name is made of letters, digits and _."
  }
}

variable "invokers" {
  description = "Who may call the function, its trigger among them: label to member."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.invokers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts wake a step."
  }
}
