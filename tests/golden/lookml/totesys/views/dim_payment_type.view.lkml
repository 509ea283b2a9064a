# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_payment_type {
  label: "Payment type"
  sql_table_name: dim_payment_type ;;

  dimension: payment_type_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.payment_type_id ;;
  }

  dimension: payment_type_name {
    type: string
    label: "Payment type name"
    description: "Payment type name, from totesys.payment_type.payment_type_name."
    sql: ${TABLE}.payment_type_name ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_payment_type."
    value_format_name: decimal_0
  }
}
