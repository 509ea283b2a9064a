variable "name" {
  description = "The name of the topic and of its subscription; the dead letter's are NAME-dead."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_.~+%-]{2,249}$", var.name)) && !startswith(var.name, "goog")
    error_message = "A topic's name has 3 to 250 letters, digits and -_.~+%, begins with a letter and not with goog."
  }
}

variable "ack_deadline" {
  description = "Seconds that a message may be held before it is delivered again: longer than the step that takes it."
  type        = number

  validation {
    condition     = var.ack_deadline >= 10 && var.ack_deadline <= 600
    error_message = "From 10 to 600 seconds."
  }
}

variable "publishers" {
  description = "Who may publish: label to member."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for member in values(var.publishers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts publish."
  }
}

variable "subscribers" {
  description = "Who takes messages from the subscription: label to member."
  type        = map(string)

  validation {
    condition     = alltrue([for member in values(var.subscribers) : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts take messages."
  }
}
