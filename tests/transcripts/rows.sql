-- Its rows; only real servers have them.
INSERT INTO customers SELECT i, 'Name ' || i, CASE WHEN i < 3 THEN 'name' || i || '@example.com' END, '123-45-678' || i, CASE WHEN i <> 2 THEN 'note ' || i END FROM generate_series(1, 3) i;
INSERT INTO orders SELECT i, 1 + i % 3, date '2024-01-01' + i, i * 10.5 FROM generate_series(1, 6) i;
