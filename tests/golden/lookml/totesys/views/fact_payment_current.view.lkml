# Written by `catchwater lookml` from models/: change the models, not this file.

view: fact_payment_current {
  label: "Payment"
  sql_table_name: fact_payment_current ;;

  dimension: payment_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.payment_id ;;
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

  dimension: transaction_id {
    hidden: yes
    type: number
    sql: ${TABLE}.transaction_id ;;
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

  dimension: payment_type_id {
    hidden: yes
    type: number
    sql: ${TABLE}.payment_type_id ;;
  }

  dimension: payment_date_key {
    hidden: yes
    type: date_raw
    sql: ${TABLE}.payment_date ;;
  }

  dimension: payment_record_id {
    type: number
    label: "Payment record id"
    description: "Payment record id, from totesys.payment._id."
    sql: ${TABLE}.payment_record_id ;;
  }

  dimension: created_time {
    type: string
    label: "Created time"
    description: "Created time, from totesys.payment.created_at."
    sql: ${TABLE}.created_time ;;
  }

  dimension: last_updated_time {
    type: string
    label: "Last updated time"
    description: "Last updated time, from totesys.payment.last_updated."
    sql: ${TABLE}.last_updated_time ;;
  }

  dimension: payment_amount {
    type: number
    label: "Payment amount"
    description: "Payment amount, from totesys.payment.payment_amount."
    sql: ${TABLE}.payment_amount ;;
  }

  dimension: paid {
    type: yesno
    label: "Paid"
    description: "Paid, from totesys.payment.paid."
    sql: ${TABLE}.paid ;;
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
    description: "Created date, from totesys.payment.created_at."
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
    description: "Last updated date, from totesys.payment.last_updated."
    sql: ${TABLE}.last_updated_date ;;
  }

  dimension_group: payment {
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
    label: "Payment"
    description: "Payment date, from totesys.payment.payment_date."
    sql: ${TABLE}.payment_date ;;
  }

  measure: payments {
    type: count
    label: "Payments"
    description: "Payments as they stand now."
    value_format_name: decimal_0
  }

  measure: amount {
    type: sum
    sql: ${payment_amount} ;;
    label: "Amount"
    description: "In the currency of the payment; group or filter by currency."
    value_format_name: decimal_2
  }

  measure: average_payment {
    type: average
    sql: ${payment_amount} ;;
    label: "Average payment"
    description: "Average payment: avg(payment_amount)"
    value_format_name: decimal_2
  }

  measure: largest_payment {
    type: max
    sql: ${payment_amount} ;;
    label: "Largest payment"
    description: "Largest payment: max(payment_amount)"
    value_format_name: decimal_2
  }

  measure: outstanding {
    type: sum
    sql: CASE WHEN ${paid} THEN 0 ELSE ${payment_amount} END ;;
    label: "Outstanding"
    description: "What is not paid yet, in the currency of the payment."
    value_format_name: decimal_2
  }

  measure: paid_share {
    type: number
    sql: ${paid_share_part} / NULLIF(${payments}, 0) ;;
    label: "Paid"
    description: "Share of the payments that are paid."
    value_format_name: percent_2
  }

  measure: paid_share_part {
    type: sum
    sql: CASE WHEN ${paid} THEN 1 ELSE 0 END ;;
    hidden: yes
  }
}
