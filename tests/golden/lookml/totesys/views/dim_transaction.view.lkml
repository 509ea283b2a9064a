# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_transaction {
  label: "Transaction"
  sql_table_name: dim_transaction ;;

  dimension: transaction_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.transaction_id ;;
  }

  dimension: transaction_type {
    type: string
    label: "Transaction type"
    description: "Transaction type, from totesys.transaction.transaction_type."
    sql: ${TABLE}.transaction_type ;;
  }

  dimension: sales_order_id {
    type: number
    label: "Sales order id"
    description: "Sales order id, from totesys.transaction.sales_order_id."
    sql: ${TABLE}.sales_order_id ;;
  }

  dimension: purchase_order_id {
    type: number
    label: "Purchase order id"
    description: "Purchase order id, from totesys.transaction.purchase_order_id."
    sql: ${TABLE}.purchase_order_id ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_transaction."
    value_format_name: decimal_0
  }
}
