# Written by `catchwater lookml` from models/: change the models, not this file.

- dashboard: shop
  title: Shop
  layout: newspaper
  elements:
  - name: orders.orders
    title: Orders
    type: single_value
    fields:
    - orders.orders
    row: 0
    col: 0
    width: 6
    height: 4
    model: shop
    explore: orders
  - name: orders.order_value
    title: Order value
    type: single_value
    fields:
    - orders.order_value
    row: 0
    col: 6
    width: 6
    height: 4
    model: shop
    explore: orders
  - name: orders.average_order
    title: Average order
    type: single_value
    fields:
    - orders.average_order
    row: 0
    col: 12
    width: 6
    height: 4
    model: shop
    explore: orders
  - name: orders.buyers
    title: Buyers
    type: single_value
    fields:
    - orders.buyers
    row: 0
    col: 18
    width: 6
    height: 4
    model: shop
    explore: orders
  - name: orders.placed_month
    title: Orders by Placed month
    type: looker_line
    fields:
    - orders.placed_month
    - orders.orders
    sorts:
    - orders.placed_month
    limit: 500
    row: 4
    col: 0
    width: 12
    height: 8
    model: shop
    explore: orders
  - name: customers.customer_name
    title: Orders by Customer name
    type: looker_bar
    fields:
    - customers.customer_name
    - orders.orders
    sorts:
    - orders.orders desc
    limit: 15
    row: 4
    col: 12
    width: 12
    height: 8
    model: shop
    explore: orders
