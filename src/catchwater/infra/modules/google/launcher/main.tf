# What launches a Dataflow job: a batch job is no resource of Terraform, so a template is kept and called by a clock.

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
