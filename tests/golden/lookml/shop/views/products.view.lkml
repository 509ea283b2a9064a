# Written by `catchwater lookml` from models/: change the models, not this file.

view: products {
  label: "Products"
  sql_table_name: products ;;

  dimension: product_id {
    primary_key: yes
    hidden: yes
    type: number
    sql: ${TABLE}.product_id ;;
  }

  dimension: sku {
    type: string
    label: "Sku"
    description: "Sku, from shop.products.sku."
    sql: ${TABLE}.sku ;;
  }

  dimension: product_name {
    type: string
    label: "Product name"
    description: "Product name, from shop.products.product_name."
    sql: ${TABLE}.product_name ;;
  }

  dimension: category {
    type: string
    label: "Category"
    description: "Category, from shop.products.category."
    sql: ${TABLE}.category ;;
  }

  dimension: price {
    type: number
    label: "Price"
    description: "Price, from shop.products.price."
    sql: ${TABLE}.price ;;
  }

  dimension: active {
    type: yesno
    label: "Active"
    description: "Active, from shop.products.active."
    sql: ${TABLE}.active ;;
  }

  measure: products {
    type: count
    label: "Products"
    description: "Products in the catalogue."
    value_format_name: decimal_0
  }

  measure: average_price {
    type: average
    sql: ${price} ;;
    label: "Average price"
    description: "Mean of today's prices."
    value_format_name: gbp
  }
}
