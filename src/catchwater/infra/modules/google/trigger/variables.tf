variable "name" {
  description = "The trigger's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.name))
    error_message = "A trigger's name has at most 63 lower-case letters, digits and -, and begins with a letter."
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

variable "account" {
  description = "The address of the service account that it runs as."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\\.iam\\.gserviceaccount\\.com$", var.account))
    error_message = "The address of a service account: name@project.iam.gserviceaccount.com."
  }
}

variable "service" {
  description = "The Cloud Run service that is woken; a function has the name of the one beneath it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.service))
    error_message = "The name of a Cloud Run service."
  }
}

variable "bucket" {
  description = "The bucket whose new objects wake the service; empty where a topic does."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket)) || var.bucket == ""
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and -."
  }
}

variable "path" {
  description = "The path of the service that takes events."
  type        = string

  validation {
    condition     = startswith(var.path, "/")
    error_message = "A path begins with /."
  }
}

variable "topic" {
  description = "The full name of the topic whose messages wake the service; empty where a bucket does."
  type        = string
  default     = ""

  validation {
    condition     = var.topic == "" || can(regex("^projects/[^/]+/topics/[^/]+$", var.topic))
    error_message = "Written projects/PROJECT/topics/NAME."
  }

  validation {
    condition     = (var.topic == "") != (var.bucket == "")
    error_message = "A trigger is about a bucket or about a topic."
  }
}
