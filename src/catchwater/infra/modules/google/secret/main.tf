# The place of a secret and who may read it. Its value never passes through Terraform: a person adds it.

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

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = var.readers

  secret_id = google_secret_manager_secret.this.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value
}
