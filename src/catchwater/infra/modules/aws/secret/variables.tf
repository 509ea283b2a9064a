variable "name" {
  description = "Name of the secret."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]{1,255}$", var.name))
    error_message = "A secret's name has at most 255 characters: letters, digits and /_+=.@-."
  }
}

variable "description" {
  description = "What the secret opens."
  type        = string

  validation {
    condition     = length(var.description) <= 2048
    error_message = "A description has at most 2,048 characters."
  }
}

variable "value" {
  description = "The value, handed on as a write-only argument; null: it is put there by hand."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "value_version" {
  description = "Raise it to write the value again; 0: Terraform writes none."
  type        = number
  default     = 0

  validation {
    condition     = var.value_version >= 0 && floor(var.value_version) == var.value_version
    error_message = "A whole number from 0."
  }
}
