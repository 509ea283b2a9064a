variable "name" {
  description = "The dataset's name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_]+$", var.name)) && length(var.name) <= 1024
    error_message = "A dataset's name has letters, digits and _."
  }
}

variable "location" {
  description = "Where the dataset is kept, such as europe-west2: where the processed zone is, since files are loaded from there."
  type        = string

  validation {
    condition     = can(regex("^([a-z]+-[a-z]+[0-9]|EU|US)$", var.location))
    error_message = "A region such as europe-west2, or EU or US."
  }
}

variable "purpose" {
  description = "What the dataset holds, shown as its description."
  type        = string
}

variable "tables" {
  description = "Table to its description and columns, in their order."
  type = map(object({
    description = string
    columns = list(object({
      name        = string
      type        = string
      description = string
      precision   = optional(string)
      scale       = optional(string)
    }))
  }))

  validation {
    condition     = alltrue([for table in values(var.tables) : length(table.columns) > 0])
    error_message = "A table has at least one column."
  }

  validation {
    condition = alltrue(flatten([
      for table in values(var.tables) : [
        for column in table.columns : contains(
          ["STRING", "BYTES", "INTEGER", "FLOAT", "NUMERIC", "BIGNUMERIC", "BOOLEAN", "TIMESTAMP", "DATE", "TIME", "DATETIME"],
          column.type
        )
      ]
    ]))
    error_message = "A column's type is one of BigQuery's schema types, such as STRING, INTEGER or NUMERIC."
  }
}

variable "access" {
  description = "Who may do what with the dataset: label to role and member."
  type = map(object({
    role   = string
    member = string
  }))

  validation {
    condition     = alltrue([for access in values(var.access) : contains(["roles/bigquery.dataViewer", "roles/bigquery.dataEditor"], access.role)])
    error_message = "A dataset is read (roles/bigquery.dataViewer) or loaded (roles/bigquery.dataEditor)."
  }

  validation {
    condition     = alltrue([for access in values(var.access) : can(regex("^(serviceAccount|user|group):.+$", access.member))])
    error_message = "A member is serviceAccount:…, user:… or group:…."
  }
}

variable "protected" {
  description = "Whether Terraform refuses to drop a table; the rows can be loaded again from the lake."
  type        = bool
}
