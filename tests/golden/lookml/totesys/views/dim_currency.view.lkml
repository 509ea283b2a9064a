# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_currency {
  label: "Currency"
  sql_table_name: dim_currency ;;

  dimension: currency_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.currency_id ;;
  }

  dimension: currency_code {
    type: string
    label: "Currency code"
    description: "Currency code, from totesys.currency.currency_code."
    sql: ${TABLE}.currency_code ;;
  }

  dimension: currency_name {
    type: string
    label: "Currency name"
    description: "Currency name, made by the model dim_currency."
    sql: ${TABLE}.currency_name ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_currency."
    value_format_name: decimal_0
  }
}
