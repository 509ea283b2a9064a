# Written by `catchwater lookml` from models/: change the models, not this file.

view: fact_purchase_order_current {
  label: "Purchase order"
  sql_table_name: fact_purchase_order_current ;;

  dimension: purchase_order_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.purchase_order_id ;;
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

  dimension: staff_id {
    hidden: yes
    type: number
    sql: ${TABLE}.staff_id ;;
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

  dimension: agreed_delivery_date_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.agreed_delivery_date ;;
  }

  dimension: agreed_payment_date_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.agreed_payment_date ;;
  }

  dimension: agreed_delivery_location_id {
    hidden: yes
    type: number
    sql: ${TABLE}.agreed_delivery_location_id ;;
  }

  dimension: purchase_record_id {
    type: number
    label: "Purchase record id"
    description: "Purchase record id, from totesys.purchase_order._id."
    sql: ${TABLE}.purchase_record_id ;;
  }

  dimension: created_time {
    type: string
    label: "Created time"
    description: "Created time, from totesys.purchase_order.created_at."
    sql: ${TABLE}.created_time ;;
  }

  dimension: last_updated_time {
    type: string
    label: "Last updated time"
    description: "Last updated time, from totesys.purchase_order.last_updated."
    sql: ${TABLE}.last_updated_time ;;
  }

  dimension: item_code {
    type: string
    label: "Item code"
    description: "Item code, from totesys.purchase_order.item_code."
    sql: ${TABLE}.item_code ;;
  }

  dimension: item_quantity {
    type: number
    label: "Item quantity"
    description: "Item quantity, from totesys.purchase_order.item_quantity."
    sql: ${TABLE}.item_quantity ;;
  }

  dimension: item_unit_price {
    type: number
    label: "Item unit price"
    description: "Item unit price, from totesys.purchase_order.item_unit_price."
    sql: ${TABLE}.item_unit_price ;;
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
    description: "Created date, from totesys.purchase_order.created_at."
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
    description: "Last updated date, from totesys.purchase_order.last_updated."
    sql: ${TABLE}.last_updated_date ;;
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
    description: "Agreed delivery date, from totesys.purchase_order.agreed_delivery_date."
    sql: ${TABLE}.agreed_delivery_date ;;
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
    description: "Agreed payment date, from totesys.purchase_order.agreed_payment_date."
    sql: ${TABLE}.agreed_payment_date ;;
  }

  measure: orders {
    type: count
    label: "Orders"
    description: "Purchase orders as they stand now."
    value_format_name: decimal_0
  }

  measure: quantity {
    type: sum
    sql: ${item_quantity} ;;
    label: "Items bought"
    description: "Items bought: sum(item_quantity)"
    value_format_name: decimal_0
  }

  measure: cost {
    type: sum
    sql: ${item_quantity} * ${item_unit_price} ;;
    label: "Cost"
    description: "In the currency of the order; group or filter by currency."
    value_format_name: decimal_2
  }

  measure: suppliers {
    type: count_distinct
    sql: ${counterparty_id} ;;
    label: "Suppliers"
    description: "Suppliers: count(distinct counterparty_id)"
    value_format_name: decimal_0
  }

  measure: average_item_price {
    type: number
    sql: ${cost} / NULLIF(${quantity}, 0) ;;
    label: "Average item price"
    description: "Cost per item, weighted by quantity."
    value_format_name: decimal_2
  }
}
