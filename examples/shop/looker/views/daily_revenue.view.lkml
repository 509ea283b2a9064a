# Written by `catchwater lookml` from models/: change the models, not this file.

view: daily_revenue {
  label: "Daily revenue"
  sql_table_name: daily_revenue ;;

  dimension: primary_key {
    primary_key: yes
    hidden: yes
    type: string
    sql: CONCAT(LENGTH(CONCAT(${TABLE}.day, '')), ':', ${TABLE}.day, ${TABLE}.country) ;;
  }

  dimension: day_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.day ;;
  }

  dimension: country {
    hidden: yes
    type: string
    sql: ${TABLE}.country ;;
  }

  dimension: orders {
    type: number
    label: "Orders"
    description: "Orders, made by the model daily_revenue."
    sql: ${TABLE}.orders ;;
  }

  dimension: revenue {
    type: number
    label: "Revenue"
    description: "Revenue, from shop.order_lines.quantity, shop.order_lines.unit_price."
    sql: ${TABLE}.revenue ;;
  }

  dimension_group: day {
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
    label: "Day"
    description: "Day, from shop.orders.placed_at."
    sql: ${TABLE}.day ;;
  }

  measure: total {
    type: sum
    sql: ${revenue} ;;
    label: "Revenue"
    description: "Without returned orders."
    value_format_name: gbp
  }

  measure: best_day {
    type: max
    sql: ${revenue} ;;
    label: "Best day"
    description: "The most that one country brought in a day."
    value_format_name: gbp
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of daily_revenue."
    value_format_name: decimal_0
  }
}
