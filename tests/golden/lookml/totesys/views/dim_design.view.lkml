# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_design {
  label: "Design"
  sql_table_name: dim_design ;;

  dimension: design_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.design_id ;;
  }

  dimension: design_name {
    type: string
    label: "Design name"
    description: "Design name, from totesys.design.design_name."
    sql: ${TABLE}.design_name ;;
  }

  dimension: file_location {
    type: string
    label: "File location"
    description: "File location, from totesys.design.file_location."
    sql: ${TABLE}.file_location ;;
  }

  dimension: file_name {
    type: string
    label: "File name"
    description: "File name, from totesys.design.file_name."
    sql: ${TABLE}.file_name ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_design."
    value_format_name: decimal_0
  }
}
