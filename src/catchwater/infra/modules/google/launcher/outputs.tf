output "template" {
  description = "Where the flex template is."
  value       = "gs://${google_storage_bucket_object.template.bucket}/${google_storage_bucket_object.template.name}"
}

output "uri" {
  description = "What is called to launch the job, with an access token."
  value       = "https://dataflow.googleapis.com/v1b3/projects/${var.project}/locations/${var.location}/flexTemplates:launch"
}

output "body" {
  description = "What is sent to launch the job."

  value = jsonencode({
    launchParameter = {
      jobName              = var.name
      containerSpecGcsPath = "gs://${google_storage_bucket_object.template.bucket}/${google_storage_bucket_object.template.name}"
      parameters           = var.parameters
      environment = {
        serviceAccountEmail = var.worker
        tempLocation        = "gs://${var.bucket}/tmp/${var.name}"
        stagingLocation     = "gs://${var.bucket}/tmp/${var.name}/staging"
        machineType         = var.machine
        maxWorkers          = var.max_workers
        sdkContainerImage   = var.image
      }
    }
  })
}
