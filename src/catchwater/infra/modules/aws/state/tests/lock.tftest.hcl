# The lock table is made on request only.

variables {
  bucket = "shop-prod-state"
}

run "lock_file" {
  assert {
    condition     = length(aws_dynamodb_table.lock) == 0
    error_message = "Nobody asked for a table."
  }

  assert {
    condition     = one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled"
    error_message = "A state can be taken back."
  }
}

run "lock_table" {
  variables {
    lock_table = "shop-prod-lock"
  }

  assert {
    condition     = aws_dynamodb_table.lock[0].hash_key == "LockID"
    error_message = "Terraform locks by LockID."
  }
}
