# Written by `catchwater lookml` from models/: change the models, not this file.

- dashboard: totesys
  title: Totesys
  layout: newspaper
  elements:
  - name: fact_sales_order_current.orders
    title: Orders
    type: single_value
    fields:
    - fact_sales_order_current.orders
    row: 0
    col: 0
    width: 6
    height: 4
    model: totesys
    explore: fact_sales_order_current
  - name: fact_sales_order_current.units
    title: Units
    type: single_value
    fields:
    - fact_sales_order_current.units
    row: 0
    col: 6
    width: 6
    height: 4
    model: totesys
    explore: fact_sales_order_current
  - name: fact_sales_order_current.revenue
    title: Revenue
    type: single_value
    fields:
    - fact_sales_order_current.revenue
    row: 0
    col: 12
    width: 6
    height: 4
    model: totesys
    explore: fact_sales_order_current
  - name: fact_sales_order_current.customers
    title: Customers
    type: single_value
    fields:
    - fact_sales_order_current.customers
    row: 0
    col: 18
    width: 6
    height: 4
    model: totesys
    explore: fact_sales_order_current
  - name: fact_sales_order_current.created_month
    title: Orders by Created month
    type: looker_line
    fields:
    - fact_sales_order_current.created_month
    - fact_sales_order_current.orders
    sorts:
    - fact_sales_order_current.created_month
    limit: 500
    row: 4
    col: 0
    width: 12
    height: 8
    model: totesys
    explore: fact_sales_order_current
  - name: dim_staff.first_name
    title: Orders by First name
    type: looker_bar
    fields:
    - dim_staff.first_name
    - fact_sales_order_current.orders
    sorts:
    - fact_sales_order_current.orders desc
    limit: 15
    row: 4
    col: 12
    width: 12
    height: 8
    model: totesys
    explore: fact_sales_order_current
