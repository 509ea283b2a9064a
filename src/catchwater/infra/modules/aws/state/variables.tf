variable "bucket" {
  description = "Name of the bucket, unique among all buckets of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 characters: a-z, 0-9 and -, none of the ends a -."
  }
}

variable "lock_table" {
  description = "Name of a DynamoDB table that locks as well; null: the lock file beside the state is enough."
  type        = string
  default     = null

  validation {
    condition     = var.lock_table == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.lock_table))
    error_message = "A table's name has 3 to 255 characters: letters, digits, _, . and -."
  }
}
