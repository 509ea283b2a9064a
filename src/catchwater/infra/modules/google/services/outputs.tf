output "number" {
  description = "The project's number, which Google's service agents are named by."
  value       = data.google_project.this.number
}

output "enabled" {
  description = "The APIs that are enabled."
  value       = sort([for service in google_project_service.this : service.service])
}
