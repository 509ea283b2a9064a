# Written by `catchwater lookml` from models/: change the models, not this file.

view: page_views {
  label: "Page views"
  sql_table_name: page_views ;;

  dimension: path {
    type: string
    label: "Path"
    description: "Path, from shop.page_views.path."
    sql: ${TABLE}.path ;;
  }

  dimension: customer_id {
    type: number
    label: "Customer id"
    description: "Customer id, from shop.page_views.customer_id."
    sql: ${TABLE}.customer_id ;;
  }

  dimension_group: viewed {
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
    label: "Viewed"
    description: "Viewed at, from shop.page_views.viewed_at."
    sql: ${TABLE}.viewed_at ;;
  }

  measure: views {
    type: count
    label: "Views"
    description: "Pages looked at."
    value_format_name: decimal_0
  }
}
