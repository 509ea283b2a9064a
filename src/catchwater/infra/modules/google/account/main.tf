# One identity, what it may do on the whole project, and who may act as it.

resource "google_service_account" "this" {
  account_id   = var.name
  display_name = var.purpose
}

resource "google_project_iam_member" "this" {
  for_each = var.roles

  project = google_service_account.this.project
  role    = each.key
  member  = google_service_account.this.member

  dynamic "condition" {
    for_each = each.value == "" ? [] : [each.value]

    content {
      title      = "catchwater"
      expression = condition.value
    }
  }
}

resource "google_service_account_iam_member" "users" {
  for_each = var.users

  service_account_id = google_service_account.this.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}

resource "google_service_account_iam_member" "federated" {
  for_each = var.federated

  service_account_id = google_service_account.this.name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value
}
