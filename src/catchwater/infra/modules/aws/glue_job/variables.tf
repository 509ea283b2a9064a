variable "name" {
  description = "Name of the job, of its role, workflow and trigger, and of its log groups under /aws-glue/jobs/."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "A job's name has at most 64 characters here, those of its role: letters, digits, - and _."
  }
}

variable "description" {
  description = "What the job does, in a sentence."
  type        = string

  validation {
    condition     = length(var.description) <= 256
    error_message = "A description has at most 256 characters."
  }
}

variable "script" {
  description = "Where the job's script is: s3://BUCKET/KEY."
  type        = string

  validation {
    condition     = can(regex("^s3://[a-z0-9.-]+/.+\\.py$", var.script))
    error_message = "A script is named s3://BUCKET/KEY.py."
  }
}

variable "modules" {
  description = "Python packages that are installed before the script runs: s3://BUCKET/KEY.whl, or NAME==VERSION."
  type        = list(string)

  validation {
    condition     = alltrue([for each in var.modules : can(regex("^(s3://[a-z0-9.-]+/.+\\.whl|[A-Za-z0-9_.-]+(\\[[a-z0-9,_-]+\\])?==[0-9][A-Za-z0-9.]*)$", each))])
    error_message = "Each is a wheel in a bucket, or a name with its exact version."
  }
}

variable "settings" {
  description = "The step's settings: arguments of the script, without their --. Never a secret."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", name))])
    error_message = "Names of settings have letters, digits and _, and begin with a letter."
  }
}

variable "workers" {
  description = "Workers of 4 processors and 16 GB, the driver included."
  type        = number

  validation {
    condition     = var.workers >= 2 && var.workers <= 299 && floor(var.workers) == var.workers
    error_message = "Glue takes 2 to 299 workers."
  }
}

variable "timeout" {
  description = "Minutes after which a run is ended; Glue's own default is two days."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 2880 && floor(var.timeout) == var.timeout
    error_message = "Whole minutes, 2,880 at most."
  }
}

variable "dead_letter" {
  description = "Name of the queue for events that could not start the job."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.dead_letter))
    error_message = "A queue's name has at most 80 characters: letters, digits, - and _."
  }
}

variable "rule_arns" {
  description = "ARNs of the EventBridge rules that start the job: they may leave undelivered events in its queue."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.rule_arns : can(regex("^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:rule/.+$", arn))])
    error_message = "Each is the ARN of a rule: arn:aws:events:REGION:ACCOUNT:rule/NAME."
  }
}

variable "role_arn" {
  description = "ARN of an existing role of the job; null: one is made, with the statements."
  type        = string
  default     = null

  validation {
    condition     = var.role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = "That isn't the ARN of a role."
  }
}

variable "trigger" {
  description = "Whether a workflow and its trigger are made, which EventBridge notifies; false: you start the job."
  type        = bool
  default     = true
}

variable "statements" {
  description = "What the job may do: the statements derived from its step's grants, each with its reason."
  type = list(object({
    sid        = string
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))), {})
    because    = optional(string, "")
  }))
  default = []

  validation {
    condition     = alltrue(flatten([for each in var.statements : [for action in each.actions : !strcontains(action, "*")]]))
    error_message = "No action has a *: every one is named."
  }

  validation {
    condition     = (length(var.statements) == 0) != (var.role_arn == null)
    error_message = "Give either the statements of a new role, or the ARN of an existing one."
  }
}
