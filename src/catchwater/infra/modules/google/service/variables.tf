variable "name" {
  description = "The service's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}[a-z0-9]$", var.name))
    error_message = "A service's name has at most 49 lower-case letters, digits and -, and begins with a letter."
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
  description = "What the service does, shown as its description."
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

variable "image" {
  description = "The container image: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG, or @sha256:… for a digest."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9.:-]+/[a-z0-9-]+/[a-z0-9_./-]+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "An image of Artifact Registry with a tag or digest: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG."
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
  description = "Seconds that one request may last."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 3600 && floor(var.timeout) == var.timeout
    error_message = "A whole number of seconds from 1 to 3600."
  }
}

variable "min" {
  description = "Instances that are kept warm."
  type        = number

  validation {
    condition     = var.min >= 0 && var.min <= var.max
    error_message = "From 0 to max."
  }
}

variable "max" {
  description = "Instances at most."
  type        = number

  validation {
    condition     = var.max >= 1 && var.max <= 1000
    error_message = "From 1 to 1000."
  }
}

variable "concurrency" {
  description = "Requests that one instance takes at the same time."
  type        = number

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 1000
    error_message = "From 1 to 1000."
  }
}

variable "public" {
  description = "Whether requests may come from outside of the project; who may call is said by invokers all the same."
  type        = bool
}

variable "environment" {
  description = "What the process is told; never a secret."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))])
    error_message = "A variable's name is made of letters, digits and _."
  }
}

variable "invokers" {
  description = "Who may call the service: label to member. allUsers leaves the door to the API's own keys."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.invokers) : member == "allUsers" || can(regex("^(serviceAccount|user|group|domain):.+$", member))])
    error_message = "A member is serviceAccount:…, user:…, group:…, domain:… or allUsers."
  }
}
