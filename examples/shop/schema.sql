-- The shop's own database: six tables and some thousand rows, the same ones every time (no random numbers).
-- An enum, a jsonb column and a table without a key are in it because real shops have them.

CREATE TYPE order_status AS ENUM ('placed', 'paid', 'shipped', 'delivered', 'returned');

CREATE TABLE countries (
    country char(2) PRIMARY KEY,
    country_name text NOT NULL
);

CREATE TABLE customers (
    customer_id integer PRIMARY KEY,
    customer_name text NOT NULL,
    email text NOT NULL UNIQUE,
    country char(2) NOT NULL REFERENCES countries,
    attributes jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
    product_id integer PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    product_name text NOT NULL,
    category text NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price > 0),
    active boolean NOT NULL DEFAULT true
);

CREATE TABLE orders (
    order_id bigint PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    country char(2) NOT NULL REFERENCES countries,          -- where it goes to, not where the customer lives
    status order_status NOT NULL DEFAULT 'placed',
    placed_at timestamptz NOT NULL DEFAULT now(),
    note text
);

CREATE TABLE order_lines (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    line integer NOT NULL,
    product_id integer NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL,                     -- the price on the day, not today's
    PRIMARY KEY (order_id, line)
);

CREATE TABLE page_views (                                   -- no key: the same row may be there twice
    viewed_at timestamptz NOT NULL,
    path text NOT NULL,
    customer_id integer
);

INSERT INTO countries VALUES
    ('DE', 'Germany'), ('DK', 'Denmark'), ('ES', 'Spain'), ('FR', 'France'),
    ('GB', 'United Kingdom'), ('IE', 'Ireland'), ('NL', 'Netherlands'), ('US', 'United States');

INSERT INTO customers
SELECT
    i,
    (ARRAY['Ada', 'Björn', 'Chloé', 'Dmitri', 'Eilidh', 'Farah', 'Güneş', 'Hamza', 'Ingrid', 'José'])[1 + i % 10]
        || ' ' || (ARRAY['Archer', 'Brontë', 'Carter', 'Müller', 'O''Brien', 'Petrov', 'Smith'])[1 + i % 7],
    'customer' || i || '@example.org',
    (ARRAY['GB', 'GB', 'GB', 'DE', 'FR', 'IE', 'US', 'NL', 'ES', 'DK'])[1 + (i * 7) % 10],
    jsonb_build_object('segment', (ARRAY['consumer', 'business', 'school'])[1 + i % 3], 'newsletter', i % 4 = 0),
    timestamptz '2026-01-01 00:00:00+00' + i * interval '9 hours'
FROM generate_series(1, 600) AS i;

INSERT INTO products
SELECT
    i,
    'SKU-' || lpad(i::text, 4, '0'),
    (ARRAY['Canvas', 'Waxed', 'Striped', 'Quilted', 'Plain'])[1 + i % 5] || ' '
        || (ARRAY['tote', 'rucksack', 'pouch', 'satchel', 'wallet', 'belt'])[1 + i % 6],
    (ARRAY['bags', 'bags', 'small goods', 'bags', 'small goods', 'accessories'])[1 + i % 6],
    4.50 + (i * 37) % 9000 / 100.0,
    i % 17 <> 0
FROM generate_series(1, 80) AS i;

INSERT INTO orders
SELECT
    i,
    1 + (i * 7919) % 600,
    (ARRAY['GB', 'GB', 'GB', 'GB', 'DE', 'FR', 'IE', 'US', 'NL', 'ES', 'DK'])[1 + (i * 5) % 11],
    (ARRAY['delivered', 'delivered', 'delivered', 'shipped', 'paid', 'placed', 'returned'])[1 + (i * 3) % 7]::order_status,
    timestamptz '2026-02-01 06:00:00+00' + i * interval '97 minutes',
    CASE WHEN i % 29 = 0 THEN 'Leave it with "the porter", please; €5 is on its way' END
FROM generate_series(1, 4000) AS i;

INSERT INTO order_lines
SELECT o.order_id, l, p.product_id, 1 + (o.order_id * l) % 4, p.price
FROM orders AS o
CROSS JOIN LATERAL generate_series(1, 1 + (o.order_id % 3)::integer) AS l
JOIN products AS p ON p.product_id = 1 + (o.order_id * 31 + l * 17) % 80;

INSERT INTO page_views
SELECT
    timestamptz '2026-10-01 00:00:00+00' + (i / 2) * interval '11 minutes',     -- every row twice
    '/' || (ARRAY['', 'bags', 'small-goods', 'accessories', 'basket'])[1 + (i / 2) % 5],
    CASE WHEN (i / 2) % 3 > 0 THEN 1 + (i / 2) % 600 END
FROM generate_series(0, 2999) AS i;
