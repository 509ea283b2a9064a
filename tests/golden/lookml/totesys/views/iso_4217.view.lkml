# Written by `catchwater lookml` from models/: change the models, not this file.

view: iso_4217 {
  label: "Iso 4217"
  sql_table_name: iso_4217 ;;

  dimension: currency_code {
    primary_key: yes
    hidden: yes
    type: string
    sql: ${TABLE}.currency_code ;;
  }

  dimension: currency_name {
    type: string
    label: "Currency name"
    description: "Currency name, made by the model iso_4217."
    sql: ${TABLE}.currency_name ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of iso_4217."
    value_format_name: decimal_0
  }
}
