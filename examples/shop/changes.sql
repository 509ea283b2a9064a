-- What happens in the shop between two passes; :n is the number of the pass.

INSERT INTO orders
SELECT
    100000 + :n * 100 + i,
    1 + (:n * 13 + i) % 600,
    (ARRAY['GB', 'FR', 'DE'])[1 + i % 3],
    'placed',
    timestamptz '2026-11-01 08:00:00+00' + :n * interval '1 hour' + i * interval '1 minute'
FROM generate_series(1, 20) AS i
ON CONFLICT DO NOTHING;

INSERT INTO order_lines
SELECT o.order_id, 1, p.product_id, 2, p.price
FROM orders AS o
JOIN products AS p ON p.product_id = 1 + o.order_id % 80
WHERE o.order_id BETWEEN 100000 + :n * 100 AND 100099 + :n * 100
ON CONFLICT DO NOTHING;

UPDATE orders SET status = 'delivered' WHERE status = 'shipped' AND order_id % 10 = :n % 10;
UPDATE products SET price = price + 0.50 WHERE product_id % 20 = :n % 20;
UPDATE order_lines SET quantity = quantity + 1 WHERE order_id BETWEEN :n * 10 AND :n * 10 + 4 AND line = 1;
DELETE FROM orders WHERE order_id BETWEEN 3000 + :n * 3 AND 3002 + :n * 3;      -- their lines go with them
INSERT INTO page_views SELECT timestamptz '2026-11-01 09:00:00+00', '/basket', NULL FROM generate_series(1, 2);
