-- What every conversation of this folder finds.
CREATE TABLE customers (id int PRIMARY KEY, name text, email text, ssn varchar(11), notes text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, placed date, total numeric(10,2));
CREATE VIEW contacts AS SELECT id, name, email FROM customers;
