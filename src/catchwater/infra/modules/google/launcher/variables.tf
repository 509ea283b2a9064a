variable "name" {
  description = "The name of the Dataflow job and of its template."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.name))
    error_message = "A job's name has at most 63 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "project" {
  description = "The id of the Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id has 6 to 30 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "location" {
  description = "The region, such as europe-west2."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.location))
    error_message = "A region such as europe-west2."
  }
}

variable "purpose" {
  description = "What the job does, shown as its description."
  type        = string
}

variable "worker" {
  description = "The address of the service account that the workers run as."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\\.iam\\.gserviceaccount\\.com$", var.worker))
    error_message = "The address of a service account: name@project.iam.gserviceaccount.com."
  }
}

variable "image" {
  description = "The container image that holds the launcher and the pipeline."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9.:-]+/[a-z0-9-]+/[a-z0-9_./-]+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "An image of Artifact Registry with a tag or digest: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG."
  }
}

variable "bucket" {
  description = "The bucket of artifacts: the template is put there, and temporary files below tmp/."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and -."
  }
}

variable "parameters" {
  description = "What the pipeline is told; never a secret."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.parameters) : can(regex("^[a-zA-Z_][a-zA-Z0-9_]*$", name))])
    error_message = "A parameter's name is made of letters, digits and _."
  }
}

variable "machine" {
  description = "The machine type of the workers."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z]+-[0-9]+$", var.machine))
    error_message = "A machine type such as e2-standard-2."
  }
}

variable "max_workers" {
  description = "Workers at most."
  type        = number

  validation {
    condition     = var.max_workers >= 1 && var.max_workers <= 100
    error_message = "From 1 to 100."
  }
}
