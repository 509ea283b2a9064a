variable "name" {
  description = "Name of the queue."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.name))
    error_message = "A queue's name has at most 80 characters: letters, digits, - and _."
  }
}

variable "function" {
  description = "Name of the function that takes the messages."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.function))
    error_message = "A function's name has at most 64 characters: letters, digits, - and _."
  }
}

variable "timeout" {
  description = "Seconds that a wake of the function may last; messages stay hidden for six times that."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "Lambda takes 1 to 900 seconds, whole."
  }
}

variable "window" {
  description = "Seconds for which messages are gathered before they wake the function."
  type        = number
  default     = 30

  validation {
    condition     = var.window >= 1 && var.window <= 300 && floor(var.window) == var.window
    error_message = "Messages are gathered for 1 to 300 seconds, whole."
  }
}

variable "dead_letter_arn" {
  description = "ARN of the queue that gets a message after five tries."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:.+$", var.dead_letter_arn))
    error_message = "That isn't the ARN of a queue."
  }
}
