-- LuaSQL and LuaDBI.
local function show(name, ...) local t = {...}; for i = 1, select('#', ...) do t[i] = tostring(t[i]) end; print(name, table.concat(t, ' ')) end
local function rows(cursor) local row = cursor:fetch({}, 'a'); while row do show('row', row.id, row.title, row.email, row.n); row = cursor:fetch(row, 'a') end; cursor:close() end
local env = os.getenv
local luasql = require('luasql.postgres').postgres()
local con = assert(luasql:connect(env('PGDATABASE'), env('PGUSER'), env('PGPASSWORD'), env('PGHOST'), env('PGPORT')))
rows(con:execute('select id, title, stock n from product where id < 4 order by id'))
rows(con:execute("select id, length(name) as n from customer where id < 3 order by id"))
local cursor = con:execute('select * from orders limit 1'); show('names', table.unpack(cursor:getcolnames())); show('types', table.unpack(cursor:getcoltypes())); cursor:close()
con:setautocommit(false); show('insert', con:execute("insert into product(title) values ('" .. con:escape("it's") .. "')")); con:rollback(); con:setautocommit(true)
show('update', con:execute('update product set stock = 9 where id = 1')); show('error', con:execute('select nothing from product')); show('error', con:execute('selec 1'))
con:close(); luasql:close()
local dbi = require('DBI')
local d = assert(dbi.Connect('PostgreSQL', env('PGDATABASE'), env('PGUSER'), env('PGPASSWORD'), env('PGHOST'), env('PGPORT')))
d:autocommit(true)
local s = assert(d:prepare('select id, title from product where id between $1 and $2 order by id')); s:execute(2, 4); for row in s:rows(true) do show('prepared', row.id, row.title) end; show('columns', table.unpack(s:columns())); s:close()
s = d:prepare("insert into crm.contact(id, note) values ($1, $2)"); show('inserted', s:execute(7, 'lua'), s:affected()); show('again', (s:execute(7, 'lua'))); s:close()
show('quote', d:quote("it's")); show('ping', d:ping()); d:close()
print('done')
