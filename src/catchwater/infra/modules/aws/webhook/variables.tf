variable "function" {
  description = "Name of the function that checks deliveries and queues them; its concurrency is the throttle."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.function))
    error_message = "A function's name has at most 64 characters: letters, digits, - and _."
  }
}
