variable "bucket" {
  description = "Name of the bucket."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 characters: a-z, 0-9 and -."
  }
}

variable "key" {
  description = "Key of the object."
  type        = string

  validation {
    condition     = can(regex("^[^/].*[^/]$", var.key)) && length(var.key) <= 1024
    error_message = "A key has 2 to 1,024 characters and neither begins nor ends with a slash."
  }
}

variable "file" {
  description = "Path of the local file; the object is written again when its bytes change."
  type        = string

  validation {
    condition     = try(fileexists(var.file), false)
    error_message = "There is no such file: catchwater build writes it, or catchwater deploy packages it."
  }
}

variable "content_type" {
  description = "Media type of the object."
  type        = string
  default     = "application/octet-stream"

  validation {
    condition     = can(regex("^[a-z]+/[a-z0-9.+-]+$", var.content_type))
    error_message = "A media type looks like application/json."
  }
}
