# A secret and who may read it. Its value never passes through Terraform's state.

resource "google_secret_manager_secret" "this" {
  secret_id           = var.name
  deletion_protection = false

  replication {
    user_managed {
      replicas {
        location = var.location
      }
    }
  }
}

resource "google_secret_manager_secret_version" "this" {
  count = var.version_number == 0 ? 0 : 1

  secret                 = google_secret_manager_secret.this.id
  secret_data_wo         = var.value
  secret_data_wo_version = tostring(var.version_number)
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = var.readers

  secret_id = google_secret_manager_secret.this.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value
}
