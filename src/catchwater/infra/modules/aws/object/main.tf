# One file in a bucket: the plan, a schema, a function's archive, a job's script.

resource "aws_s3_object" "this" {
  bucket       = var.bucket
  key          = var.key
  source       = var.file
  source_hash  = filebase64sha256(var.file)
  content_type = var.content_type
}
