# Written by `catchwater lookml` from models/: change the models, not this file.

view: orders {
  label: "Orders"
  sql_table_name: orders ;;

  dimension: order_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.order_id ;;
  }

  dimension: customer_id {
    hidden: yes
    type: number
    sql: ${TABLE}.customer_id ;;
  }

  dimension: country {
    hidden: yes
    type: string
    sql: ${TABLE}.country ;;
  }

  dimension: status {
    type: string
    label: "Status"
    description: "Status, from shop.orders.status."
    sql: ${TABLE}.status ;;
  }

  dimension: value {
    type: number
    label: "Value"
    description: "Value, from shop.order_lines.quantity, shop.order_lines.unit_price."
    sql: ${TABLE}.value ;;
  }

  dimension: lines {
    type: number
    label: "Lines"
    description: "Lines, from shop.order_lines.line."
    sql: ${TABLE}.lines ;;
  }

  dimension_group: placed {
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
    label: "Placed"
    description: "Placed at, from shop.orders.placed_at."
    sql: ${TABLE}.placed_at ;;
  }

  measure: orders {
    type: count
    label: "Orders"
    description: "Orders of any status."
    value_format_name: decimal_0
  }

  measure: order_value {
    type: sum
    sql: ${value} ;;
    label: "Order value"
    description: "What all orders are worth."
    value_format_name: gbp
  }

  measure: average_order {
    type: average
    sql: ${value} ;;
    label: "Average order"
    description: "Worth of a mean order."
    value_format_name: gbp
  }

  measure: buyers {
    type: count_distinct
    sql: ${customer_id} ;;
    label: "Buyers"
    description: "Customers who ordered."
    value_format_name: decimal_0
  }

  measure: returned {
    type: sum
    sql: CASE WHEN ${status} = 'returned' THEN 1 ELSE 0 END ;;
    label: "Returned orders"
    description: "Returned orders: count(*) FILTER (WHERE status = 'returned')"
    value_format_name: decimal_0
  }

  measure: return_rate {
    type: number
    sql: ${returned} / NULLIF(${orders}, 0) ;;
    label: "Return rate"
    description: "Share of the orders that came back."
    value_format_name: percent_2
  }
}
