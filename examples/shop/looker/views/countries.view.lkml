# Written by `catchwater lookml` from models/: change the models, not this file.

view: countries {
  label: "Countries"
  sql_table_name: countries ;;

  dimension: country {
    primary_key: yes
    hidden: yes
    type: string
    sql: ${TABLE}.country ;;
  }

  dimension: country_name {
    type: string
    label: "Country name"
    description: "Country name, from shop.countries.country_name."
    sql: ${TABLE}.country_name ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of countries."
    value_format_name: decimal_0
  }
}
