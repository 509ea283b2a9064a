variable "name" {
  description = "The secret's name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.name))
    error_message = "A secret's name has at most 255 letters, digits, _ and -."
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

variable "readers" {
  description = "Who may read the secret: label to member."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.readers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts read secrets here."
  }
}
