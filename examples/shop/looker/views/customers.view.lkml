# Written by `catchwater lookml` from models/: change the models, not this file.

view: customers {
  label: "Customers"
  sql_table_name: customers ;;

  dimension: customer_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.customer_id ;;
  }

  dimension: country {
    hidden: yes
    type: string
    sql: ${TABLE}.country ;;
  }

  dimension: customer_name {
    type: string
    label: "Customer name"
    description: "Customer name, from shop.customers.customer_name."
    sql: ${TABLE}.customer_name ;;
  }

  dimension: segment {
    type: string
    label: "Segment"
    description: "Segment, from shop.customers.attributes."
    sql: ${TABLE}.segment ;;
  }

  dimension: newsletter {
    type: yesno
    label: "Newsletter"
    description: "Newsletter, from shop.customers.attributes."
    sql: ${TABLE}.newsletter ;;
  }

  dimension_group: created {
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
    label: "Created"
    description: "Created at, from shop.customers.created_at."
    sql: ${TABLE}.created_at ;;
  }

  measure: customers {
    type: count
    label: "Customers"
    description: "Customers with an account."
    value_format_name: decimal_0
  }
}
