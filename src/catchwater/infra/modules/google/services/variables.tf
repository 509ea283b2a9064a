variable "project" {
  description = "The id of the Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id has 6 to 30 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "services" {
  description = "The APIs to enable, such as storage.googleapis.com; with eventarc.googleapis.com the agent of Cloud Storage gets its grant."
  type        = set(string)

  validation {
    condition     = length(var.services) > 0 && alltrue([for name in var.services : endswith(name, ".googleapis.com")])
    error_message = "Name at least one API, each ending in .googleapis.com."
  }
}

variable "build_events" {
  description = "Whether Cloud Build tells what becomes of builds on the topic cloud-builds, which a project has once."
  type        = bool
}
