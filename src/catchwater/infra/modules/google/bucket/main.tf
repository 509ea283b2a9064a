# A zone of the lake, or the artifacts: versioned, never public, and nothing in a log ever expires.

locals {
  objects = "projects/_/buckets/${var.name}/objects/"

  # a listing is asked of the bucket, and so is whether a missing object answers 404; only its prefix tells what it is about
  listed = {
    for label, access in var.access : label => [
      for prefix in access.prefixes :
      "api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"${prefix}\").startsWith(\"${prefix}\")"
    ]
  }

  named = {
    for label, access in var.access : label => [
      for prefix in access.prefixes : "resource.name.startsWith(\"${local.objects}${prefix}\")"
    ]
  }

  roles = {
    read   = "roles/storage.objectViewer"
    list   = "roles/storage.objectViewer"
    create = "roles/storage.objectCreator"
    change = "roles/storage.objectUser"
  }
}

resource "google_storage_bucket" "this" {
  name                        = var.name
  location                    = var.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 7
    }
  }

  # what was replaced: only plans and schemas are, never a log
  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      with_state                 = "ARCHIVED"
      days_since_noncurrent_time = 90
      matches_prefix             = concat(["_config/"], var.scratch)
    }
  }

  dynamic "lifecycle_rule" {
    for_each = length(var.scratch) == 0 ? [] : [var.scratch]

    content {
      action {
        type = "Delete"
      }

      condition {
        age            = 7
        matches_prefix = lifecycle_rule.value
      }
    }
  }
}

resource "google_storage_bucket_iam_member" "access" {
  for_each = var.access

  bucket = google_storage_bucket.this.name
  role   = local.roles[each.value.action]
  member = each.value.member

  condition {
    title       = each.key
    description = each.value.because
    expression = (
      each.value.action == "list"
      ? "resource.type == \"storage.googleapis.com/Bucket\" && (${join(" || ", local.listed[each.key])})"
      : join(" || ", local.named[each.key])
    )
  }
}
