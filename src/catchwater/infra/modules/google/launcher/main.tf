# A Dataflow job by the clock: a batch job is no resource of Terraform, so Cloud Scheduler launches the template.

resource "google_storage_bucket_object" "template" {
  bucket       = var.bucket
  name         = "templates/${var.name}.json"
  content_type = "application/json"

  content = jsonencode({
    image   = var.image
    sdkInfo = { language = "PYTHON" }
    metadata = {
      name        = var.name
      description = var.purpose
      parameters = [
        for parameter in sort(keys(var.parameters)) : {
          name       = parameter
          label      = parameter
          helpText   = parameter
          isOptional = false
        }
      ]
    }
  })
}

resource "google_cloud_scheduler_job" "this" {
  name             = var.name
  region           = var.location
  description      = var.purpose
  schedule         = var.cron
  time_zone        = "Etc/UTC"
  attempt_deadline = "180s"

  retry_config {
    retry_count = 1
  }

  http_target {
    uri         = "https://dataflow.googleapis.com/v1b3/projects/${var.project}/locations/${var.location}/flexTemplates:launch"
    http_method = "POST"
    headers     = { "Content-Type" = "application/json" }

    body = base64encode(jsonencode({
      launchParameter = {
        jobName              = var.name
        containerSpecGcsPath = "gs://${var.bucket}/${google_storage_bucket_object.template.name}"
        parameters           = var.parameters
        environment = {
          serviceAccountEmail               = var.worker
          tempLocation                      = "gs://${var.bucket}/tmp/${var.name}"
          stagingLocation                   = "gs://${var.bucket}/tmp/${var.name}/staging"
          machineType                       = var.machine
          maxWorkers                        = var.max_workers
          ipConfiguration                   = "WORKER_IP_PUBLIC"
          additionalExperiments             = ["use_runner_v2"]
          enableStreamingEngine             = false
          additionalUserLabels              = { managed-by = "catchwater" }
          sdkContainerImage                 = var.image
          launcherMachineType               = var.machine
          enableLauncherVmSerialPortLogging = false
        }
      }
    }))

    oauth_token {
      service_account_email = var.account
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }
}
