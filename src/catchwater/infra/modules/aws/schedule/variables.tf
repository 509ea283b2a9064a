variable "name" {
  description = "Name of the schedule and of its role."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "A schedule's name has at most 64 characters: letters, digits, - and _."
  }
}

variable "description" {
  description = "What is woken, and how often."
  type        = string

  validation {
    condition     = length(var.description) <= 512
    error_message = "A description has at most 512 characters."
  }
}

variable "expression" {
  description = "When: rate(10 minutes), or cron(0 6 * * ? *) in UTC."
  type        = string

  validation {
    condition     = can(regex("^(rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)|cron\\([^ ]+( [^ ]+){5}\\))$", var.expression))
    error_message = "Write rate(1 hour), rate(10 minutes) or cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)."
  }
}

variable "function_arn" {
  description = "ARN of the function that is woken."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:.+$", var.function_arn))
    error_message = "That isn't the ARN of a function."
  }
}

variable "dead_letter_arn" {
  description = "ARN of the queue that gets the wakes that could not be delivered."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:.+$", var.dead_letter_arn))
    error_message = "That isn't the ARN of a queue."
  }
}
