variable "name" {
  description = "Name of the bucket, unique among all buckets of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 characters: a-z, 0-9 and -, none of the ends a -."
  }
}

variable "events" {
  description = "Whether objects created in the bucket are told to EventBridge, so that a committed batch wakes a step."
  type        = bool
  default     = true
}

variable "kms_key" {
  description = "ARN of the KMS key that encrypts the objects; null: S3's own key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key))
    error_message = "The key is named by its ARN: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}
