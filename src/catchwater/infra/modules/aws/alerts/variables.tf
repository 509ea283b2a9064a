variable "project" {
  description = "Name of the project, as its metrics carry it."
  type        = string

  validation {
    condition     = length(var.project) > 0
    error_message = "The project has a name."
  }
}

variable "environment" {
  description = "Name of the environment, as its metrics carry it."
  type        = string

  validation {
    condition     = length(var.environment) > 0
    error_message = "The environment has a name."
  }
}

variable "account" {
  description = "The account whose alarms may write to the topics."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "An account's number has 12 digits."
  }
}

variable "topics" {
  description = "Who hears of which events (failure, recovery, stale): a topic for each alert of the project."
  type = map(object({
    name   = string
    emails = set(string)
    events = set(string)
  }))

  validation {
    condition     = alltrue(flatten([for each in var.topics : [for event in each.events : contains(["failure", "recovery", "stale"], event)]]))
    error_message = "The events are failure, recovery and stale."
  }

  validation {
    condition     = alltrue(flatten([for each in var.topics : [for address in each.emails : can(regex("^[^@ ]+@[^@ ]+$", address))]]))
    error_message = "Each is an e-mail address."
  }
}

variable "steps" {
  description = "What is watched: a step as its metrics name it, how its alarms' names begin, its function, or its Glue job and the rule that hears of its end, its dead letter queue, and the minutes after which its silence is an alarm (0: never)."
  type = list(object({
    name          = string
    alarm         = string
    function      = optional(string)
    job           = optional(object({ name = string, rule = string }))
    dead_letter   = string
    stale_minutes = number
  }))

  validation {
    condition     = alltrue([for each in var.steps : each.stale_minutes >= 0 && each.stale_minutes <= 10080 && floor(each.stale_minutes) == each.stale_minutes])
    error_message = "Silence is watched for whole minutes, a week at most."
  }

  validation {
    condition     = alltrue([for each in var.steps : length(each.alarm) <= 240])
    error_message = "The names of alarms have at most 255 characters, with what is watched at their end."
  }

  validation {
    condition     = alltrue([for each in var.steps : each.job == null || try(can(regex("^[A-Za-z0-9._-]{1,64}$", each.job.rule)), false)])
    error_message = "The name of a rule has at most 64 characters."
  }
}
