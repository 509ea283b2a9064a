/*---
description: What the shop sells, at today's price.
key: [product_id]
measures:
  products: {sql: count(*), format: integer, label: Products, description: Products in the catalogue.}
  average_price: {sql: avg(price), format: gbp, label: Average price, description: Mean of today's prices.}
checks:
  - not_null: [sku, product_name, category, price]
  - unique: [sku]
---*/
SELECT
    p.product_id,
    p.sku,
    p.product_name,
    p.category,
    p.price,
    p.active
FROM shop.products AS p
