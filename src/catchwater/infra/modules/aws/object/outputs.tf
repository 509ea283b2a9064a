output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_object.this.bucket
}

output "key" {
  description = "Key of the object."
  value       = aws_s3_object.this.key
}

output "hash" {
  description = "SHA-256 of the file's bytes, in base64."
  value       = filebase64sha256(var.file)
}
