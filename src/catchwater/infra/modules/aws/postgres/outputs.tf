output "address" {
  description = "Host name of the database."
  value       = aws_db_instance.this.address
}

output "url" {
  description = "How the database is opened, but for the password: PASSWORD stands where it belongs."
  value       = "postgresql://${var.username}:PASSWORD@${aws_db_instance.this.address}:5432/${var.database}?sslmode=require"
}
