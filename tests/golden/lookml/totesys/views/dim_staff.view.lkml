# Written by `catchwater lookml` from models/: change the models, not this file.

view: dim_staff {
  label: "Staff"
  sql_table_name: dim_staff ;;

  dimension: staff_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.staff_id ;;
  }

  dimension: first_name {
    type: string
    label: "First name"
    description: "First name, from totesys.staff.first_name."
    sql: ${TABLE}.first_name ;;
  }

  dimension: last_name {
    type: string
    label: "Last name"
    description: "Last name, from totesys.staff.last_name."
    sql: ${TABLE}.last_name ;;
  }

  dimension: department_name {
    type: string
    label: "Department name"
    description: "Department name, from totesys.department.department_name."
    sql: ${TABLE}.department_name ;;
  }

  dimension: location {
    type: string
    label: "Location"
    description: "Location, from totesys.department.location."
    sql: ${TABLE}.location ;;
  }

  dimension: email_address {
    type: string
    label: "Email address"
    description: "Email address, from totesys.staff.email_address."
    sql: ${TABLE}.email_address ;;
  }

  measure: count {
    type: count
    label: "Rows"
    description: "How many rows of dim_staff."
    value_format_name: decimal_0
  }
}
