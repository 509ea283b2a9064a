variable "name" {
  description = "Name of the function, of its role and of its log group under /aws/lambda/."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "A function's name has at most 64 characters: letters, digits, - and _."
  }
}

variable "description" {
  description = "What the function does, in a sentence."
  type        = string

  validation {
    condition     = length(var.description) <= 256
    error_message = "A description has at most 256 characters."
  }
}

variable "dead_letter" {
  description = "Name of the queue for events that the function could not handle."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.dead_letter))
    error_message = "A queue's name has at most 80 characters: letters, digits, - and _."
  }
}

variable "rule_arns" {
  description = "ARNs of the EventBridge rules that wake the function: they may leave undelivered events in its queue."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.rule_arns : can(regex("^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:rule/.+$", arn))])
    error_message = "Each is the ARN of a rule: arn:aws:events:REGION:ACCOUNT:rule/NAME."
  }
}

variable "archive" {
  description = "The function's code: an archive in a bucket, and the SHA-256 of its bytes in base64."
  type = object({
    bucket = string
    key    = string
    hash   = string
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.archive.hash))
    error_message = "The hash is a SHA-256 in base64, as filebase64sha256 gives it."
  }
}

variable "runtime" {
  description = "Lambda's runtime that the archive was packaged for."
  type        = string
  default     = "python3.12"

  validation {
    condition     = contains(["python3.11", "python3.12", "python3.13"], var.runtime)
    error_message = "The archive is packaged for python3.11, python3.12 or python3.13."
  }
}

variable "handler" {
  description = "The handler's path in the archive."
  type        = string
  default     = "catchwater.runtimes.aws_lambda.handler"

  validation {
    condition     = can(regex("^[A-Za-z0-9_.]{1,128}$", var.handler))
    error_message = "A handler is a dotted path."
  }
}

variable "memory" {
  description = "Memory in MB; the share of processors follows it."
  type        = number

  validation {
    condition     = var.memory >= 128 && var.memory <= 10240 && floor(var.memory) == var.memory
    error_message = "Lambda takes 128 to 10,240 MB, whole."
  }
}

variable "timeout" {
  description = "Seconds that one wake may last."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "Lambda takes 1 to 900 seconds, whole."
  }
}

variable "disk" {
  description = "MB of /tmp, where batches are written before they are committed."
  type        = number
  default     = 2048

  validation {
    condition     = var.disk >= 512 && var.disk <= 10240 && floor(var.disk) == var.disk
    error_message = "Lambda takes 512 to 10,240 MB, whole."
  }
}

variable "concurrency" {
  description = "Most instances at once, taken out of the account's total; -1: no limit and no reservation."
  type        = number
  default     = -1

  validation {
    condition     = var.concurrency >= -1 && floor(var.concurrency) == var.concurrency
    error_message = "A whole number, or -1."
  }
}

variable "environment" {
  description = "The handler's environment; never a secret."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", name))])
    error_message = "Names of variables have letters, digits and _, and begin with a letter."
  }
}

variable "statements" {
  description = "What the function may do: the statements derived from its step's grants, each with its reason."
  type = list(object({
    sid        = string
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))), {})
    because    = optional(string, "")
  }))

  validation {
    condition     = alltrue([for each in var.statements : can(regex("^[A-Za-z0-9]+$", each.sid))])
    error_message = "A statement's id has letters and digits only."
  }

  validation {
    condition     = alltrue(flatten([for each in var.statements : [for action in each.actions : !strcontains(action, "*")]]))
    error_message = "No action has a *: every one is named."
  }
}

variable "network" {
  description = "The VPC that the function reaches its database in; the group is given by id or by name. null: none."
  type = object({
    vpc                 = string
    subnets             = list(string)
    security_group_id   = optional(string)
    security_group_name = optional(string)
  })
  default = null

  validation {
    condition     = var.network == null || try((var.network.security_group_id == null) != (var.network.security_group_name == null), false)
    error_message = "Name the security group by its id or by its name, one of the two."
  }
}
