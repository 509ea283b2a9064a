# Written by `catchwater lookml` from models/: change the models, not this file.

connection: "shop"
label: "Shop"
include: "/views/*.view.lkml"
include: "/dashboards/*.dashboard.lookml"

explore: customers {
  label: "Customers"
  description: "Who buys, and from which country; no e-mail address leaves the source."

  join: countries {
    type: left_outer
    relationship: many_to_one
    sql_on: ${customers.country} = ${countries.country} ;;
  }
}

explore: daily_revenue {
  label: "Daily revenue"
  description: "Revenue and orders per day (UTC) and country, returned orders left out."

  join: countries {
    type: left_outer
    relationship: many_to_one
    sql_on: ${daily_revenue.country} = ${countries.country} ;;
  }
}

explore: order_lines {
  label: "Order lines"
  description: "One row per product in an order, at the price of that day."

  join: orders {
    type: left_outer
    relationship: many_to_one
    sql_on: ${order_lines.order_id} = ${orders.order_id} ;;
  }

  join: products {
    type: left_outer
    relationship: many_to_one
    sql_on: ${order_lines.product_id} = ${products.product_id} ;;
  }

  join: customers {
    type: left_outer
    relationship: many_to_one
    sql_on: ${orders.customer_id} = ${customers.customer_id} ;;
  }

  join: orders_country {
    from: countries
    view_label: "Orders country"
    type: left_outer
    relationship: many_to_one
    sql_on: ${orders.country} = ${orders_country.country} ;;
  }

  join: customers_country {
    from: countries
    view_label: "Customers country"
    type: left_outer
    relationship: many_to_one
    sql_on: ${customers.country} = ${customers_country.country} ;;
  }
}

explore: orders {
  label: "Orders"
  description: "One row per order, with the country it goes to and what it is worth."

  join: customers {
    type: left_outer
    relationship: many_to_one
    sql_on: ${orders.customer_id} = ${customers.customer_id} ;;
  }

  join: country {
    from: countries
    view_label: "Country"
    type: left_outer
    relationship: many_to_one
    sql_on: ${orders.country} = ${country.country} ;;
  }

  join: customers_country {
    from: countries
    view_label: "Customers country"
    type: left_outer
    relationship: many_to_one
    sql_on: ${customers.country} = ${customers_country.country} ;;
  }
}

explore: page_views {
  label: "Page views"
  description: "Pages looked at. The source has no key here, so equal rows are counted, not merged."
}
