variable "name" {
  description = "The name of the topic and of the subscription that holds its messages; NAME-wake and NAME-dead are made beside them."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_.~+%-]{2,249}$", var.name)) && !startswith(var.name, "goog")
    error_message = "A topic's name has 3 to 250 letters, digits and -_.~+%, begins with a letter and not with goog."
  }
}

variable "push_endpoint" {
  description = "Where the step is woken: the https address of its function or service, with a path if it needs one."
  type        = string

  validation {
    condition     = startswith(var.push_endpoint, "https://")
    error_message = "An address that begins with https://."
  }
}

variable "push_account" {
  description = "The address of the account that wakes are signed for; it must be an invoker of the step."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\\.iam\\.gserviceaccount\\.com$", var.push_account))
    error_message = "The address of a service account: name@project.iam.gserviceaccount.com."
  }
}

variable "consumer" {
  description = "Who takes the messages, and puts those that it can't read onto the dead letter."
  type        = string

  validation {
    condition     = startswith(var.consumer, "serviceAccount:")
    error_message = "A member written serviceAccount:ADDRESS."
  }
}

variable "publishers" {
  description = "Who may publish: label to member."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.publishers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts publish."
  }
}
