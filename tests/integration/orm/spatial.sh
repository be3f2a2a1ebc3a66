# Programs that load maps into PostGIS and read them: ogr2ogr, ogrinfo, osm2pgsql.
psql -X -q -c 'create extension postgis' -c 'create extension hstore'
run() { echo "\$ $*"; "$@" 2>&1; echo "= $?"; }
cat > in.geojson <<'J'
{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"a","email":"a@example.com","n":1},"geometry":{"type":"Point","coordinates":[1,2]}},
{"type":"Feature","properties":{"name":"b","email":"b@example.com","n":2},"geometry":{"type":"Point","coordinates":[3,4]}}]}
J
PG="PG:host=$PGHOST port=$PGPORT dbname=$PGDATABASE user=$PGUSER password='$PGPASSWORD'"
ogr() { echo "$ ${*//$PG/PG}"; "$@" 2>&1; echo "= $?"; }
ogr ogr2ogr -f PostgreSQL "$PG" in.geojson -nln places -lco GEOMETRY_NAME=geom -lco FID=id
ogr ogr2ogr -f PostgreSQL "$PG" in.geojson -nln places -append --config PG_USE_COPY YES
ogr ogr2ogr -f PostgreSQL "$PG" in.geojson -nln places -update -append -upsert
ogr ogrinfo -so "$PG" places
ogr ogrinfo -al -q "$PG" places -where "n = 1" -dialect OGRSQL -sql "select name, n from places"
ogr ogrinfo -q "$PG" -sql "select id, st_astext(geom) as shape, n from places order by id"
ogr ogr2ogr -f GeoJSON out.json "$PG" -sql "select id, name, geom from places where n = 2"
wc -l < out.json
cat > in.osm <<'X'
<?xml version="1.0"?><osm version="0.6"><node id="1" lat="50.1" lon="8.1" version="1"><tag k="amenity" v="cafe"/><tag k="name" v="C"/></node><node id="2" lat="50.2" lon="8.2" version="1"/>
<way id="3" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="service"/></way></osm>
X
echo '$ osm2pgsql'; osm2pgsql -d "$PGDATABASE" --slim --hstore --number-processes 1 in.osm > osm.log 2>&1; echo "= $?"; grep -i error osm.log
echo '$ osm2pgsql --append'; osm2pgsql -d "$PGDATABASE" --slim --hstore --append --number-processes 1 in.osm > osm.log 2>&1; echo "= $?"; grep -i error osm.log
psql -X -At -c 'select amenity, name from planet_osm_point' -c 'select highway from planet_osm_line'
