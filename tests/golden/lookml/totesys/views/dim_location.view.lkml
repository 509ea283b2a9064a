# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_location {
  label: "Location"
  sql_table_name: dim_location ;;

  dimension: location_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.location_id ;;
  }

  dimension: address_line_1 {
    type: string
    label: "Address line 1"
    description: "Address line 1, from totesys.address.address_line_1."
    sql: ${TABLE}.address_line_1 ;;
  }

  dimension: address_line_2 {
    type: string
    label: "Address line 2"
    description: "Address line 2, from totesys.address.address_line_2."
    sql: ${TABLE}.address_line_2 ;;
  }

  dimension: district {
    type: string
    label: "District"
    description: "District, from totesys.address.district."
    sql: ${TABLE}.district ;;
  }

  dimension: city {
    type: string
    label: "City"
    description: "City, from totesys.address.city."
    sql: ${TABLE}.city ;;
  }

  dimension: postal_code {
    type: string
    label: "Postal code"
    description: "Postal code, from totesys.address.postal_code."
    sql: ${TABLE}.postal_code ;;
  }

  dimension: country {
    type: string
    label: "Country"
    description: "Country, from totesys.address.country."
    sql: ${TABLE}.country ;;
  }

  dimension: phone {
    type: string
    label: "Phone"
    description: "Phone, from totesys.address.phone."
    sql: ${TABLE}.phone ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_location."
    value_format_name: decimal_0
  }
}
