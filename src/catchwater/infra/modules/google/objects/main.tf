# Files that handlers read (the plan, schemas) or that services start from (archives, templates).

resource "google_storage_bucket_object" "this" {
  for_each = var.files

  bucket = var.bucket
  name   = each.key
  source = each.value
}

resource "google_storage_bucket_object" "text" {
  for_each = var.texts

  bucket       = var.bucket
  name         = each.key
  content      = each.value
  content_type = "application/json"
}
