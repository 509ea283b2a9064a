variable "name" {
  description = "Identifier of the instance, and name of its security group and subnet group."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,56}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "An identifier has at most 58 characters here: a-z, 0-9 and single -, a letter first."
  }
}

variable "database" {
  description = "Name of the database."
  type        = string

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,62}$", var.database))
    error_message = "A database's name has at most 63 characters: a-z, 0-9 and _."
  }
}

variable "username" {
  description = "The user who owns the database, and whom the URL names."
  type        = string
  default     = "catchwater"

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,62}$", var.username)) && !contains(["postgres", "rdsadmin", "admin"], var.username)
    error_message = "A user's name has at most 63 characters: a-z, 0-9 and _; rdsadmin, postgres and admin are taken."
  }
}

variable "password" {
  description = "The user's password, handed on as a write-only argument."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = can(regex("^[!#-&(-.0-?A-~]{16,128}$", var.password))
    error_message = "The password has 16 to 128 printable ASCII characters, and none of / ' \" @ and space."
  }
}

variable "password_version" {
  description = "Raise it to write another password."
  type        = number
  default     = 1

  validation {
    condition     = var.password_version >= 1 && floor(var.password_version) == var.password_version
    error_message = "A whole number from 1."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "A class looks like db.t4g.micro."
  }
}

variable "storage" {
  description = "GB to begin with; it grows by itself up to ten times that."
  type        = number

  validation {
    condition     = var.storage >= 20 && var.storage <= 6553 && floor(var.storage) == var.storage
    error_message = "RDS takes 20 GB or more, whole."
  }
}

variable "network" {
  description = "The VPC, subnets in two zones at least, and the steps' security group by id or by name."
  type = object({
    vpc                 = string
    subnets             = list(string)
    security_group_id   = optional(string)
    security_group_name = optional(string)
  })

  validation {
    condition     = length(var.network.subnets) >= 2
    error_message = "RDS takes subnets in two zones at least."
  }

  validation {
    condition     = (var.network.security_group_id == null) != (var.network.security_group_name == null)
    error_message = "Name the security group by its id or by its name, one of the two."
  }
}
