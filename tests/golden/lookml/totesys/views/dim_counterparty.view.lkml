# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_counterparty {
  label: "Counterparty"
  sql_table_name: dim_counterparty ;;

  dimension: counterparty_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.counterparty_id ;;
  }

  dimension: counterparty_legal_name {
    type: string
    label: "Counterparty legal name"
    description: "Counterparty legal name, from totesys.counterparty.counterparty_legal_name."
    sql: ${TABLE}.counterparty_legal_name ;;
  }

  dimension: counterparty_legal_address_line_1 {
    type: string
    label: "Counterparty legal address line 1"
    description: "Counterparty legal address line 1, from totesys.address.address_line_1."
    sql: ${TABLE}.counterparty_legal_address_line_1 ;;
  }

  dimension: counterparty_legal_address_line_2 {
    type: string
    label: "Counterparty legal address line 2"
    description: "Counterparty legal address line 2, from totesys.address.address_line_2."
    sql: ${TABLE}.counterparty_legal_address_line_2 ;;
  }

  dimension: counterparty_legal_district {
    type: string
    label: "Counterparty legal district"
    description: "Counterparty legal district, from totesys.address.district."
    sql: ${TABLE}.counterparty_legal_district ;;
  }

  dimension: counterparty_legal_city {
    type: string
    label: "Counterparty legal city"
    description: "Counterparty legal city, from totesys.address.city."
    sql: ${TABLE}.counterparty_legal_city ;;
  }

  dimension: counterparty_legal_postal_code {
    type: string
    label: "Counterparty legal postal code"
    description: "Counterparty legal postal code, from totesys.address.postal_code."
    sql: ${TABLE}.counterparty_legal_postal_code ;;
  }

  dimension: counterparty_legal_country {
    type: string
    label: "Counterparty legal country"
    description: "Counterparty legal country, from totesys.address.country."
    sql: ${TABLE}.counterparty_legal_country ;;
  }

  dimension: counterparty_legal_phone_number {
    type: string
    label: "Counterparty legal phone number"
    description: "Counterparty legal phone number, from totesys.address.phone."
    sql: ${TABLE}.counterparty_legal_phone_number ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_counterparty."
    value_format_name: decimal_0
  }
}
