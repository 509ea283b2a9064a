# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_date {
  label: "Date"
  sql_table_name: dim_date ;;

  dimension: date_id_key {
    primary_key: yes
    hidden: yes
    type: date_raw
    sql: ${TABLE}.date_id ;;
  }

  dimension: year {
    type: number
    label: "Year"
    description: "Year, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.year ;;
  }

  dimension: month {
    type: number
    label: "Month"
    description: "Month, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.month ;;
  }

  dimension: day {
    type: number
    label: "Day"
    description: "Day, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.day ;;
  }

  dimension: day_of_week {
    type: number
    label: "Day of week"
    description: "Day of week, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.day_of_week ;;
  }

  dimension: day_name {
    type: string
    label: "Day name"
    description: "Day name, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.day_name ;;
  }

  dimension: month_name {
    type: string
    label: "Month name"
    description: "Month name, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.month_name ;;
  }

  dimension: quarter {
    type: number
    label: "Quarter"
    description: "Quarter, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.quarter ;;
  }

  dimension_group: date {
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
    label: "Date"
    description: "Date id, from totesys.payment.created_at, totesys.payment.last_updated, totesys.payment.payment_date, totesys.purchase_order.agreed_delivery_date, totesys.purchase_order.agreed_payment_date, totesys.purchase_order.created_at, totesys.purchase_order.last_updated, totesys.sales_order.agreed_delivery_date, totesys.sales_order.agreed_payment_date, totesys.sales_order.created_at, totesys.sales_order.last_updated."
    sql: ${TABLE}.date_id ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_date."
    value_format_name: decimal_0
  }
}
