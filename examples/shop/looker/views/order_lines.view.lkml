# Written by `catchwater lookml` from models/: change the models, not this file.

view: order_lines {
  label: "Order lines"
  sql_table_name: order_lines ;;

  dimension: primary_key {
    primary_key: yes
    hidden: yes
    type: string
    sql: CONCAT(LENGTH(CONCAT(${TABLE}.order_id, '')), ':', ${TABLE}.order_id, ${TABLE}.line) ;;
  }

  dimension: order_id {
    hidden: yes
    type: number
    sql: ${TABLE}.order_id ;;
  }

  dimension: line {
    hidden: yes
    type: number
    sql: ${TABLE}.line ;;
  }

  dimension: product_id {
    hidden: yes
    type: number
    sql: ${TABLE}.product_id ;;
  }

  dimension: quantity {
    type: number
    label: "Quantity"
    description: "Quantity, from shop.order_lines.quantity."
    sql: ${TABLE}.quantity ;;
  }

  dimension: unit_price {
    type: number
    label: "Unit price"
    description: "Unit price, from shop.order_lines.unit_price."
    sql: ${TABLE}.unit_price ;;
  }

  measure: lines {
    type: count
    label: "Lines"
    description: "Lines of all orders."
    value_format_name: decimal_0
  }

  measure: units {
    type: sum
    sql: ${quantity} ;;
    label: "Units"
    description: "Pieces sold."
    value_format_name: decimal_0
  }

  measure: revenue {
    type: sum
    sql: ${quantity} * ${unit_price} ;;
    label: "Revenue"
    description: "Units at the price of the day."
    value_format_name: gbp
  }

  measure: average_unit_price {
    type: number
    sql: ${revenue} / NULLIF(${units}, 0) ;;
    label: "Average unit price"
    description: "Revenue per unit."
    value_format_name: gbp
  }
}
