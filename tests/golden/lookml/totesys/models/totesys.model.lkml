# Written by `catchwater lookml` from models/: change the models, not this file.

connection: "totesys"
label: "Totesys"
include: "/views/*.view.lkml"
include: "/dashboards/*.dashboard.lookml"

explore: fact_payment {
  label: "Payment, every version"
  description: "Every version of every payment. The newest version of each is in fact_payment_current."

  join: created_date {
    from: dim_date
    view_label: "Created date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment.created_date_key} = ${created_date.date_id_key} ;;
  }

  join: last_updated_date {
    from: dim_date
    view_label: "Last updated date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment.last_updated_date_key} = ${last_updated_date.date_id_key} ;;
  }

  join: dim_transaction {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment.transaction_id} = ${dim_transaction.transaction_id} ;;
  }

  join: dim_counterparty {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment.counterparty_id} = ${dim_counterparty.counterparty_id} ;;
  }

  join: dim_currency {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment.currency_id} = ${dim_currency.currency_id} ;;
  }

  join: dim_payment_type {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment.payment_type_id} = ${dim_payment_type.payment_type_id} ;;
  }

  join: payment_date {
    from: dim_date
    view_label: "Payment date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment.payment_date_key} = ${payment_date.date_id_key} ;;
  }
}

explore: fact_payment_current {
  label: "Payment"
  description: "Every version of every payment. The newest version of each is in fact_payment_current."

  join: created_date {
    from: dim_date
    view_label: "Created date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment_current.created_date_key} = ${created_date.date_id_key} ;;
  }

  join: last_updated_date {
    from: dim_date
    view_label: "Last updated date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment_current.last_updated_date_key} = ${last_updated_date.date_id_key} ;;
  }

  join: dim_transaction {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment_current.transaction_id} = ${dim_transaction.transaction_id} ;;
  }

  join: dim_counterparty {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment_current.counterparty_id} = ${dim_counterparty.counterparty_id} ;;
  }

  join: dim_currency {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment_current.currency_id} = ${dim_currency.currency_id} ;;
  }

  join: dim_payment_type {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment_current.payment_type_id} = ${dim_payment_type.payment_type_id} ;;
  }

  join: payment_date {
    from: dim_date
    view_label: "Payment date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_payment_current.payment_date_key} = ${payment_date.date_id_key} ;;
  }
}

explore: fact_purchase_order {
  label: "Purchase order, every version"
  description: "Every version of every purchase order. The newest version of each is in fact_purchase_order_current."

  join: created_date {
    from: dim_date
    view_label: "Created date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.created_date_key} = ${created_date.date_id_key} ;;
  }

  join: last_updated_date {
    from: dim_date
    view_label: "Last updated date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.last_updated_date_key} = ${last_updated_date.date_id_key} ;;
  }

  join: dim_staff {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.staff_id} = ${dim_staff.staff_id} ;;
  }

  join: dim_counterparty {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.counterparty_id} = ${dim_counterparty.counterparty_id} ;;
  }

  join: dim_currency {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.currency_id} = ${dim_currency.currency_id} ;;
  }

  join: agreed_delivery_date {
    from: dim_date
    view_label: "Agreed delivery date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.agreed_delivery_date_key} = ${agreed_delivery_date.date_id_key} ;;
  }

  join: agreed_payment_date {
    from: dim_date
    view_label: "Agreed payment date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.agreed_payment_date_key} = ${agreed_payment_date.date_id_key} ;;
  }

  join: dim_location {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order.agreed_delivery_location_id} = ${dim_location.location_id} ;;
  }
}

explore: fact_purchase_order_current {
  label: "Purchase order"
  description: "Every version of every purchase order. The newest version of each is in fact_purchase_order_current."

  join: created_date {
    from: dim_date
    view_label: "Created date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.created_date_key} = ${created_date.date_id_key} ;;
  }

  join: last_updated_date {
    from: dim_date
    view_label: "Last updated date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.last_updated_date_key} = ${last_updated_date.date_id_key} ;;
  }

  join: dim_staff {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.staff_id} = ${dim_staff.staff_id} ;;
  }

  join: dim_counterparty {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.counterparty_id} = ${dim_counterparty.counterparty_id} ;;
  }

  join: dim_currency {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.currency_id} = ${dim_currency.currency_id} ;;
  }

  join: agreed_delivery_date {
    from: dim_date
    view_label: "Agreed delivery date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.agreed_delivery_date_key} = ${agreed_delivery_date.date_id_key} ;;
  }

  join: agreed_payment_date {
    from: dim_date
    view_label: "Agreed payment date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.agreed_payment_date_key} = ${agreed_payment_date.date_id_key} ;;
  }

  join: dim_location {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_purchase_order_current.agreed_delivery_location_id} = ${dim_location.location_id} ;;
  }
}

explore: fact_sales_order {
  label: "Sales order, every version"
  description: "Every version of every sales order. The newest version of each is in fact_sales_order_current."

  join: created_date {
    from: dim_date
    view_label: "Created date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.created_date_key} = ${created_date.date_id_key} ;;
  }

  join: last_updated_date {
    from: dim_date
    view_label: "Last updated date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.last_updated_date_key} = ${last_updated_date.date_id_key} ;;
  }

  join: dim_staff {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.sales_staff_id} = ${dim_staff.staff_id} ;;
  }

  join: dim_counterparty {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.counterparty_id} = ${dim_counterparty.counterparty_id} ;;
  }

  join: dim_currency {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.currency_id} = ${dim_currency.currency_id} ;;
  }

  join: dim_design {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.design_id} = ${dim_design.design_id} ;;
  }

  join: agreed_payment_date {
    from: dim_date
    view_label: "Agreed payment date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.agreed_payment_date_key} = ${agreed_payment_date.date_id_key} ;;
  }

  join: agreed_delivery_date {
    from: dim_date
    view_label: "Agreed delivery date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.agreed_delivery_date_key} = ${agreed_delivery_date.date_id_key} ;;
  }

  join: dim_location {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order.agreed_delivery_location_id} = ${dim_location.location_id} ;;
  }
}

explore: fact_sales_order_current {
  label: "Sales order"
  description: "Every version of every sales order. The newest version of each is in fact_sales_order_current."

  join: created_date {
    from: dim_date
    view_label: "Created date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.created_date_key} = ${created_date.date_id_key} ;;
  }

  join: last_updated_date {
    from: dim_date
    view_label: "Last updated date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.last_updated_date_key} = ${last_updated_date.date_id_key} ;;
  }

  join: dim_staff {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.sales_staff_id} = ${dim_staff.staff_id} ;;
  }

  join: dim_counterparty {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.counterparty_id} = ${dim_counterparty.counterparty_id} ;;
  }

  join: dim_currency {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.currency_id} = ${dim_currency.currency_id} ;;
  }

  join: dim_design {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.design_id} = ${dim_design.design_id} ;;
  }

  join: agreed_payment_date {
    from: dim_date
    view_label: "Agreed payment date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.agreed_payment_date_key} = ${agreed_payment_date.date_id_key} ;;
  }

  join: agreed_delivery_date {
    from: dim_date
    view_label: "Agreed delivery date"
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.agreed_delivery_date_key} = ${agreed_delivery_date.date_id_key} ;;
  }

  join: dim_location {
    type: left_outer
    relationship: many_to_one
    sql_on: ${fact_sales_order_current.agreed_delivery_location_id} = ${dim_location.location_id} ;;
  }
}

explore: iso_4217 {
  label: "Iso 4217"
  description: "Names of the currencies by their ISO 4217 code, old ones that may still stand in orders included."
}
