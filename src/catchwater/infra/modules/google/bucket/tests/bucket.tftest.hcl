variables {
  name     = "events-dev-ev-dev-ingestion"
  location = "europe-west2"

  access = {
    process-read = {
      member   = "serviceAccount:process@ev-dev.iam.gserviceaccount.com"
      action   = "read"
      prefixes = ["_config/", "events/"]
      because  = "events reads events"
    }

    process-list = {
      member   = "serviceAccount:process@ev-dev.iam.gserviceaccount.com"
      action   = "list"
      prefixes = ["events/"]
      because  = "a missing number answers 404"
    }
  }
}

run "a_grant_reaches_its_prefixes_alone" {
  command = plan

  assert {
    condition     = google_storage_bucket_iam_member.access["process-read"].condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/events-dev-ev-dev-ingestion/objects/_config/\") || resource.name.startsWith(\"projects/_/buckets/events-dev-ev-dev-ingestion/objects/events/\")"
    error_message = "Reading must be bound to the prefixes of the grant."
  }

  assert {
    condition     = google_storage_bucket_iam_member.access["process-list"].condition[0].expression == "resource.type == \"storage.googleapis.com/Bucket\" && (api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"events/\").startsWith(\"events/\"))"
    error_message = "Listing must be bound to the prefix of the listing, and read nothing."
  }

  assert {
    condition     = google_storage_bucket.this.public_access_prevention == "enforced" && google_storage_bucket.this.versioning[0].enabled
    error_message = "The bucket must be versioned and never public."
  }
}

run "no_rule_reaches_a_log" {
  command = apply

  assert {
    condition = alltrue([
      for rule in google_storage_bucket.this.lifecycle_rule :
      one(rule.action).type == "AbortIncompleteMultipartUpload" || (one(rule.condition).with_state == "ARCHIVED" && toset(one(rule.condition).matches_prefix) == toset(["_config/"]))
    ])
    error_message = "Only replaced plans and schemas may expire."
  }
}

run "scratch_is_below_tmp" {
  command = plan

  variables {
    scratch = ["events/"]
  }

  expect_failures = [var.scratch]
}

run "a_log_is_never_changed" {
  command = plan

  variables {
    access = {
      process-change = {
        member   = "serviceAccount:process@ev-dev.iam.gserviceaccount.com"
        action   = "change"
        prefixes = ["events/"]
        because  = "it must not"
      }
    }
  }

  expect_failures = [var.access]
}
