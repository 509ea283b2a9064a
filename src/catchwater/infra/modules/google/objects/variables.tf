variable "bucket" {
  description = "The bucket that the objects are put into."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and -."
  }
}

variable "files" {
  description = "Object key to the path of the local file that it is made from; a changed file replaces the object."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for path in values(var.files) : length(path) > 0])
    error_message = "Each object needs the path of a file."
  }
}

variable "texts" {
  description = "Object key to its JSON text, for what is known to Terraform alone."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for text in values(var.texts) : can(jsondecode(text))])
    error_message = "Each text must be JSON."
  }
}
