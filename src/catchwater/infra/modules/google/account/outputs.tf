output "email" {
  description = "The account's address."
  value       = google_service_account.this.email
}

output "member" {
  description = "The account as IAM policies name it."
  value       = google_service_account.this.member
}
