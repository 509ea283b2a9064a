variable "repository" {
  description = "The repository whose workflows are let in, as the subject of GitHub's tokens has it: OWNER@ID/NAME@ID, or OWNER/NAME for one made before July 2026. See sub_claim_prefix of gh api repos/OWNER/NAME/actions/oidc/customization/sub."
  type        = string

  validation {
    condition     = can(regex("^([A-Za-z0-9-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+|[A-Za-z0-9-]+/[A-Za-z0-9._-]+)$", var.repository))
    error_message = "A repository is named OWNER@ID/NAME@ID, or OWNER/NAME where its tokens have no ids."
  }
}

variable "environment" {
  description = "The protected environment on GitHub whose jobs may apply."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.environment))
    error_message = "An environment's name has letters, digits, _ and - here, so that it can't end the subject early."
  }
}

variable "provider_arn" {
  description = "ARN of the account's provider for GitHub, where there is one already; null: it is made."
  type        = string
  default     = null

  validation {
    condition     = var.provider_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/token.actions.githubusercontent.com$", var.provider_arn))
    error_message = "It looks like arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com"
  }
}

variable "plan" {
  description = "The role of pull requests: its name, and the statements of each of its policies."
  type = object({
    name = string
    policies = map(list(object({
      sid        = string
      actions    = list(string)
      resources  = list(string)
      conditions = optional(map(map(list(string))), {})
      because    = optional(string, "")
    })))
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.plan.name)) && length(var.plan.policies) <= 10
    error_message = "A role's name has at most 64 characters, and it takes 10 policies."
  }

  validation {
    condition     = alltrue(flatten([for each in flatten(values(var.plan.policies)) : [for action in each.actions : !strcontains(action, "*")]]))
    error_message = "No action has a *: every one is named."
  }
}

variable "apply" {
  description = "The role of the protected environment: its name, and the statements of each of its policies."
  type = object({
    name = string
    policies = map(list(object({
      sid        = string
      actions    = list(string)
      resources  = list(string)
      conditions = optional(map(map(list(string))), {})
      because    = optional(string, "")
    })))
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.apply.name)) && length(var.apply.policies) <= 10
    error_message = "A role's name has at most 64 characters, and it takes 10 policies."
  }

  validation {
    condition     = alltrue(flatten([for each in flatten(values(var.apply.policies)) : [for action in each.actions : !strcontains(action, "*")]]))
    error_message = "No action has a *: every one is named."
  }
}
