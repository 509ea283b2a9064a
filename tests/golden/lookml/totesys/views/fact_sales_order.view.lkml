# Written by `catchwater lookml` from models/: change the models, not this file.

view: fact_sales_order {
  label: "Sales order, every version"
  sql_table_name: fact_sales_order ;;

  dimension: sales_record_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.sales_record_id ;;
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

  dimension: sales_order_id {
    type: number
    label: "Sales order id"
    description: "Sales order id, from totesys.sales_order.sales_order_id."
    sql: ${TABLE}.sales_order_id ;;
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

  dimension: version_operation {
    type: string
    label: "Operation"
    description: "upsert or delete: what happened to the row (Sales order, every version)."
    sql: ${TABLE}._op ;;
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

  dimension_group: version_seen {
    type: time
    timeframes: [
      raw,
      time,
      date,
      week,
      month,
      quarter,
      year,
    ]
    datatype: timestamp
    convert_tz: yes
    label: "Seen"
    description: "When this version was captured, by the clock of the source."
    sql: ${TABLE}._at ;;
  }

  measure: versions {
    type: count
    label: "Versions"
    description: "Versions captured."
    value_format_name: decimal_0
  }
}
