# Written by `catchwater lookml` from models/: change the models, not this file.

view: fact_sales_order_current {
  label: "Sales order"
  sql_table_name: fact_sales_order_current ;;

  dimension: sales_order_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.sales_order_id ;;
  }

  dimension: created_date_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.created_date ;;
  }

  dimension: last_updated_date_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.last_updated_date ;;
  }

  dimension: sales_staff_id {
    hidden: yes
    type: number
    sql: ${TABLE}.sales_staff_id ;;
  }

  dimension: counterparty_id {
    hidden: yes
    type: number
    sql: ${TABLE}.counterparty_id ;;
  }

  dimension: currency_id {
    hidden: yes
    type: number
    sql: ${TABLE}.currency_id ;;
  }

  dimension: design_id {
    hidden: yes
    type: number
    sql: ${TABLE}.design_id ;;
  }

  dimension: agreed_payment_date_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.agreed_payment_date ;;
  }

  dimension: agreed_delivery_date_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.agreed_delivery_date ;;
  }

  dimension: agreed_delivery_location_id {
    hidden: yes
    type: number
    sql: ${TABLE}.agreed_delivery_location_id ;;
  }

  dimension: sales_record_id {
    type: number
    label: "Sales record id"
    description: "Sales record id, from totesys.sales_order._id."
    sql: ${TABLE}.sales_record_id ;;
  }

  dimension: created_time {
    type: string
    label: "Created time"
    description: "Created time, from totesys.sales_order.created_at."
    sql: ${TABLE}.created_time ;;
  }

  dimension: last_updated_time {
    type: string
    label: "Last updated time"
    description: "Last updated time, from totesys.sales_order.last_updated."
    sql: ${TABLE}.last_updated_time ;;
  }

  dimension: units_sold {
    type: number
    label: "Units sold"
    description: "Units sold, from totesys.sales_order.units_sold."
    sql: ${TABLE}.units_sold ;;
  }

  dimension: unit_price {
    type: number
    label: "Unit price"
    description: "Unit price, from totesys.sales_order.unit_price."
    sql: ${TABLE}.unit_price ;;
  }

  dimension_group: created {
    type: time
    timeframes: [
      raw,
      date,
      week,
      month,
      quarter,
      year,
    ]
    datatype: date
    convert_tz: no
    label: "Created"
    description: "Created date, from totesys.sales_order.created_at."
    sql: ${TABLE}.created_date ;;
  }

  dimension_group: last_updated {
    type: time
    timeframes: [
      raw,
      date,
      week,
      month,
      quarter,
      year,
    ]
    datatype: date
    convert_tz: no
    label: "Last updated"
    description: "Last updated date, from totesys.sales_order.last_updated."
    sql: ${TABLE}.last_updated_date ;;
  }

  dimension_group: agreed_payment {
    type: time
    timeframes: [
      raw,
      date,
      week,
      month,
      quarter,
      year,
    ]
    datatype: date
    convert_tz: no
    label: "Agreed payment"
    description: "Agreed payment date, from totesys.sales_order.agreed_payment_date."
    sql: ${TABLE}.agreed_payment_date ;;
  }

  dimension_group: agreed_delivery {
    type: time
    timeframes: [
      raw,
      date,
      week,
      month,
      quarter,
      year,
    ]
    datatype: date
    convert_tz: no
    label: "Agreed delivery"
    description: "Agreed delivery date, from totesys.sales_order.agreed_delivery_date."
    sql: ${TABLE}.agreed_delivery_date ;;
  }

  measure: orders {
    type: count
    label: "Orders"
    description: "Sales orders as they stand now."
    value_format_name: decimal_0
  }

  measure: units {
    type: sum
    sql: ${units_sold} ;;
    label: "Units sold"
    description: "Units sold: sum(units_sold)"
    value_format_name: decimal_0
  }

  measure: revenue {
    type: sum
    sql: ${units_sold} * ${unit_price} ;;
    label: "Revenue"
    description: "In the currency of the order; group or filter by currency."
    value_format_name: decimal_2
  }

  measure: customers {
    type: count_distinct
    sql: ${counterparty_id} ;;
    label: "Customers"
    description: "Customers: count(distinct counterparty_id)"
    value_format_name: decimal_0
  }

  measure: average_unit_price {
    type: number
    sql: ${revenue} / NULLIF(${units}, 0) ;;
    label: "Average unit price"
    description: "Revenue per unit, weighted by units."
    value_format_name: decimal_2
  }
}
