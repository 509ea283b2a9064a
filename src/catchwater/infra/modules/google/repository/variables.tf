variable "name" {
  description = "The repository's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.name))
    error_message = "A repository's name has at most 63 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "location" {
  description = "The region of the repository, such as europe-west2."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.location))
    error_message = "A region such as europe-west2."
  }
}

variable "writers" {
  description = "Who pushes images: label to member."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.writers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts push images."
  }
}

variable "readers" {
  description = "Who starts machines from images: label to member."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for member in values(var.readers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts read images."
  }
}
