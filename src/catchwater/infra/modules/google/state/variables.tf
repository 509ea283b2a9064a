variable "name" {
  description = "The bucket's name, unique in all of Cloud Storage."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and -."
  }
}

variable "location" {
  description = "The region of the bucket, such as europe-west2."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.location))
    error_message = "A region such as europe-west2."
  }
}

variable "writers" {
  description = "Who applies: label to member, such as {apply = \"serviceAccount:…\"}."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.writers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts write the state here."
  }
}

variable "readers" {
  description = "Who plans: label to member; they read states and take no lock."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.readers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts read the state here."
  }
}
