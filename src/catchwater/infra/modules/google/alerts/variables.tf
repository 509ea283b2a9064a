variable "name" {
  description = "What metrics and policies are named after: project and environment."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,79}$", var.name))
    error_message = "At most 80 lower-case letters, digits and -, beginning with a letter."
  }
}

variable "project_label" {
  description = "The project as log lines name it (jsonPayload.catchwater.project)."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.project_label))
    error_message = "Lower-case letters, digits and _, beginning with a letter."
  }
}

variable "environment" {
  description = "The environment as log lines name it (jsonPayload.catchwater.environment)."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.environment))
    error_message = "Letters, digits, _ and -."
  }
}

variable "channels" {
  description = "Who is told: label to an e-mail address and the events (failure, recovery, stale, success) it wants."
  type = map(object({
    email  = string
    events = list(string)
  }))

  validation {
    condition     = alltrue([for channel in values(var.channels) : can(regex("^[^@ ]+@[^@ ]+$", channel.email))])
    error_message = "An e-mail address is name@host."
  }

  validation {
    condition = alltrue(flatten([
      for channel in values(var.channels) : [for event in channel.events : contains(["failure", "recovery", "stale", "success"], event)]
    ]))
    error_message = "An event is failure, recovery, stale or success."
  }
}

variable "steps" {
  description = "Step to the name of its Dataflow job (empty: it runs on Cloud Run), and the minutes after which no success is stale (0: never)."
  type = map(object({
    job           = string
    stale_minutes = number
  }))

  validation {
    condition     = alltrue([for step in values(var.steps) : step.stale_minutes >= 0 && step.stale_minutes <= 36000])
    error_message = "From 0 to 36000 minutes, which is as far back as metrics are looked at."
  }
}

variable "unread_seconds" {
  description = "Subscription to the seconds after which a message that nobody took breaks the promise of freshness."
  type        = map(number)

  validation {
    condition     = alltrue([for seconds in values(var.unread_seconds) : seconds > 0])
    error_message = "A number of seconds above 0."
  }
}

variable "request_p95_ms" {
  description = "Cloud Run service to the milliseconds that 95 of 100 requests must stay below."
  type        = map(number)

  validation {
    condition     = alltrue([for milliseconds in values(var.request_p95_ms) : milliseconds > 0])
    error_message = "A number of milliseconds above 0."
  }
}

variable "query_p98_seconds" {
  description = "Seconds that 98 of 100 queries must stay below; 0: nothing was promised."
  type        = number

  validation {
    condition     = var.query_p98_seconds >= 0
    error_message = "A number of seconds, or 0."
  }
}
