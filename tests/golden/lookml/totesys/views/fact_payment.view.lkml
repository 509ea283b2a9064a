# Written by `catchwater lookml` from models/: change the models, not this file.

view: fact_payment {
  label: "Payment, every version"
  sql_table_name: fact_payment ;;

  dimension: payment_record_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.payment_record_id ;;
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

  dimension: payment_id {
    type: number
    label: "Payment id"
    description: "Payment id, from totesys.payment.payment_id."
    sql: ${TABLE}.payment_id ;;
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

  dimension: version_operation {
    type: string
    label: "Operation"
    description: "upsert or delete: what happened to the row (Payment, every version)."
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
