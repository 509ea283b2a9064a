variable "name" {
  description = "The bucket's name, unique in all of Cloud Storage."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and -."
  }
}

variable "location" {
  description = "The region of the bucket, such as europe-west2; triggers on its objects must be in the same."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.location))
    error_message = "A region such as europe-west2."
  }
}

variable "access" {
  description = "Who may do what below which prefixes, by a title of the grant; `list` also makes a missing object answer 404."
  type = map(object({
    member   = string
    action   = string
    prefixes = list(string)
    because  = string
  }))

  validation {
    condition     = alltrue([for access in values(var.access) : contains(["read", "list", "create", "change"], access.action)])
    error_message = "An action is read, list, create or change."
  }

  validation {
    condition     = alltrue([for access in values(var.access) : length(access.prefixes) > 0 && length(access.prefixes) <= 12])
    error_message = "A grant names 1 to 12 prefixes: a condition may not hold more."
  }

  validation {
    condition = alltrue(flatten([
      for access in values(var.access) : [for prefix in access.prefixes : can(regex("^[A-Za-z0-9_./-]+$", prefix))]
    ]))
    error_message = "A prefix is made of letters, digits, _ . / and -, and isn't empty."
  }

  validation {
    condition = alltrue(flatten([
      for access in values(var.access) : [for prefix in access.prefixes : access.action != "change" || startswith(prefix, "tmp/")]
    ]))
    error_message = "Objects may be changed below tmp/ only: a log is only ever added to."
  }

  validation {
    condition     = alltrue([for access in values(var.access) : can(regex("^(serviceAccount:|principalSet://)", access.member))])
    error_message = "A member is serviceAccount:… or principalSet://…."
  }
}

variable "scratch" {
  description = "Prefixes below tmp/ whose objects are deleted after a week."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for prefix in var.scratch : startswith(prefix, "tmp/")])
    error_message = "Only what is below tmp/ may expire: a manifest never does."
  }
}
