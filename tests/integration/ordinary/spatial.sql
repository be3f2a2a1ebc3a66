-- Extensions, with PostGIS first of all: made, used beside masked columns, and taken away.

CREATE EXTENSION postgis

SELECT postgis_lib_version()

CREATE TABLE place (id serial PRIMARY KEY, name text, email text, at geometry(Point, 4326), area geography(Polygon, 4326))

INSERT INTO place (name, email, at) SELECT 'place ' || g, 'p' || g || '@example.org', ST_SetSRID(ST_MakePoint(g, g / 2.0), 4326) FROM generate_series(1, 20) g

UPDATE place SET area = ST_Buffer(at::geography, 1000) WHERE id < 5

CREATE INDEX place_at ON place USING gist (at)

SELECT id, ST_AsText(at), ST_X(at), ST_SRID(at) FROM place ORDER BY id LIMIT 3

SELECT id, name, ST_AsGeoJSON(at)::json FROM place WHERE at && ST_MakeEnvelope(0, 0, 5, 5, 4326) ORDER BY id

SELECT id, round(ST_Distance(at::geography, ST_GeogFromText('POINT(1 1)'))) FROM place ORDER BY at <-> ST_SetSRID(ST_MakePoint(1, 1), 4326) LIMIT 4

SELECT a.id, b.id FROM place a JOIN place b ON ST_DWithin(a.at, b.at, 1.2) AND a.id < b.id ORDER BY 1, 2 LIMIT 5

SELECT count(*), ST_AsText(ST_Extent(at)), ST_AsText(ST_Collect(at ORDER BY id)) FROM place WHERE id < 4

SELECT id FROM place WHERE ST_Contains(ST_MakeEnvelope(0, 0, 3, 3, 4326), at) ORDER BY id

SELECT ST_IsValid(area::geometry), round(ST_Area(area) / 1000) FROM place WHERE id = 1

SELECT (ST_DumpPoints(ST_MakeLine(at ORDER BY id))).path FROM place WHERE id < 4

SELECT f_table_name, f_geometry_column, coord_dimension, srid, type FROM geometry_columns ORDER BY 1

SELECT auth_name, auth_srid FROM spatial_ref_sys WHERE srid = 4326

SELECT encode(ST_AsMVT(t, 'places'), 'hex') <> '' FROM (SELECT id, ST_AsMVTGeom(ST_Transform(at, 3857), ST_TileEnvelope(0, 0, 0)) AS geom FROM place WHERE id < 3) t

SELECT Find_SRID('public', 'place', 'at')

SELECT ST_GeomFromText('POINT(1')

SELECT ST_Nosuch(at) FROM place

CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION btree_gist; CREATE EXTENSION pgcrypto; CREATE EXTENSION tablefunc; CREATE EXTENSION unaccent; CREATE EXTENSION fuzzystrmatch; CREATE EXTENSION ltree; CREATE EXTENSION intarray; CREATE EXTENSION cube; CREATE EXTENSION earthdistance; CREATE EXTENSION isn

SELECT 'a=>1, b=>2'::hstore -> 'b', 'ABC'::citext = 'abc', unaccent('Hôtel'), levenshtein('abc', 'abd'), soundex('abc'), 'a.b.c'::ltree <@ 'a.b', icount('{1,2}'), digest('x', 'sha256')

SELECT length(gen_salt('bf')), crypt('x', gen_salt('md5')) <> '', encode(hmac('a', 'k', 'sha1'), 'hex'), gen_random_uuid() IS NOT NULL

CREATE TABLE room (id int, during tsrange, EXCLUDE USING gist (id WITH =, during WITH &&))

INSERT INTO room VALUES (1, '[2024-01-01, 2024-01-02)')

SELECT similarity(title, 'Product 3') > 0.5, title % 'Product 3', title <-> 'Product 3' < 1 FROM product ORDER BY id LIMIT 3

DROP TABLE place

DROP EXTENSION postgis CASCADE
