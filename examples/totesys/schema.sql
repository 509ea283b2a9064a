-- totesys: the back office of a company that sells tote bags; 11 tables that are written to all day
CREATE TABLE address (
    address_id int PRIMARY KEY,
    address_line_1 varchar NOT NULL,
    address_line_2 varchar,
    district varchar,
    city varchar NOT NULL,
    postal_code varchar NOT NULL,
    country varchar NOT NULL,
    phone varchar NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    last_updated timestamp NOT NULL DEFAULT now()
);

CREATE TABLE counterparty (
    counterparty_id int PRIMARY KEY,
    counterparty_legal_name varchar NOT NULL,
    legal_address_id int NOT NULL REFERENCES address,
    commercial_contact varchar,
    delivery_contact varchar,
    created_at timestamp NOT NULL DEFAULT now(),
    last_updated timestamp NOT NULL DEFAULT now()
);

CREATE TABLE department (
    department_id int PRIMARY KEY,
    department_name varchar NOT NULL,
    location varchar,
    manager varchar,
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now()
);

CREATE TABLE staff (
    staff_id int PRIMARY KEY,
    first_name varchar,
    last_name varchar,
    department_id int REFERENCES department,
    email_address varchar,
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now()
);

CREATE TABLE design (
    design_id int PRIMARY KEY,
    created_at timestamp DEFAULT now(),
    design_name varchar,
    file_location varchar,
    file_name varchar,
    last_updated timestamp DEFAULT now()
);

CREATE TABLE currency (
    currency_id int PRIMARY KEY,
    currency_code varchar(3),
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now()
);

CREATE TABLE payment_type (
    payment_type_id int PRIMARY KEY,
    payment_type_name varchar,
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now()
);

CREATE TABLE sales_order (
    sales_order_id int PRIMARY KEY,
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now(),
    design_id int REFERENCES design,
    staff_id int REFERENCES staff,
    counterparty_id int REFERENCES counterparty,
    units_sold int,
    unit_price numeric(10, 2),
    currency_id int REFERENCES currency,
    agreed_delivery_date varchar,
    agreed_payment_date varchar,
    agreed_delivery_location_id int REFERENCES address
);

CREATE TABLE purchase_order (
    purchase_order_id int PRIMARY KEY,
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now(),
    staff_id int REFERENCES staff,
    counterparty_id int REFERENCES counterparty,
    item_code varchar,
    item_quantity int,
    item_unit_price numeric,
    currency_id int REFERENCES currency,
    agreed_delivery_date varchar,
    agreed_payment_date varchar,
    agreed_delivery_location_id int REFERENCES address
);

CREATE TABLE transaction (
    transaction_id int PRIMARY KEY,
    transaction_type varchar,
    sales_order_id int REFERENCES sales_order,
    purchase_order_id int REFERENCES purchase_order,
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now()
);

CREATE TABLE payment (
    payment_id int PRIMARY KEY,
    created_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now(),
    transaction_id int REFERENCES transaction,
    counterparty_id int REFERENCES counterparty,
    payment_amount numeric,
    currency_id int REFERENCES currency,
    payment_type_id int REFERENCES payment_type,
    paid boolean,
    payment_date varchar,
    company_ac_number int,
    counterparty_ac_number int
);
