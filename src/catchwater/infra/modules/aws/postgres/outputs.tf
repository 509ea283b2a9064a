output "address" {
  description = "Host name of the database."
  value       = aws_db_instance.this.address
}

output "url" {
  description = "How the database is opened, password included: for a write-only argument."
  ephemeral   = true
  sensitive   = true
  value       = "postgresql://${var.username}:${urlencode(var.password)}@${aws_db_instance.this.address}:5432/${var.database}?sslmode=require"
}
