variable "name" {
  description = "Name of the rule, of the permission that it needs, and of its role where it notifies a workflow."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "A rule's name has at most 64 characters: letters, digits, - and _."
  }
}

variable "description" {
  description = "Whose batches wake what."
  type        = string

  validation {
    condition     = length(var.description) <= 512
    error_message = "A description has at most 512 characters."
  }
}

variable "bucket" {
  description = "Name of the zone's bucket, which tells its events to EventBridge."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 characters: a-z, 0-9 and -."
  }
}

variable "logs" {
  description = "The logs whose batches wake the step: sources in the ingestion zone, models in the processed one."
  type        = list(string)

  validation {
    condition     = length(var.logs) > 0 && length(join("", var.logs)) + 30 * length(var.logs) < 1800
    error_message = "At least one log, and no more than a pattern of 2,048 characters holds: split them over two rules."
  }
}

variable "target" {
  description = "What is woken: kind function or workflow (of Glue), and its ARN."
  type = object({
    kind = string
    arn  = string
  })

  validation {
    condition     = contains(["function", "workflow"], var.target.kind)
    error_message = "A rule wakes a function or a workflow."
  }

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:(lambda|glue):[a-z0-9-]+:[0-9]{12}:(function:|workflow/).+$", var.target.arn))
    error_message = "That is neither the ARN of a function nor that of a Glue workflow."
  }
}

variable "dead_letter_arn" {
  description = "ARN of the queue that gets the events that could not be delivered."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:.+$", var.dead_letter_arn))
    error_message = "That isn't the ARN of a queue."
  }
}
