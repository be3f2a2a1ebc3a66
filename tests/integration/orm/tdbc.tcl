# tdbc::postgres.
package require tdbc::postgres
tdbc::postgres::connection create db -host $env(PGHOST) -port $env(PGPORT) -database $env(PGDATABASE) -user $env(PGUSER) -password $env(PGPASSWORD)
puts [db allrows -as lists {select id, title, price, tags from product where id < 4 order by id}]
set id 2; puts [db allrows {select title, made from product where id = :id}]
set s [db prepare {insert into crm.contact(id, note) values (:id, :note)}]; set note "ž'"; $s execute; set id 3; $s execute
puts [catch {$s execute} message]; puts $message; $s close
db transaction {db allrows {update crm.contact set note = 'x' where id = 3}}
puts [catch {db transaction {db allrows {delete from crm.contact where id = 3}; error no}} message]; puts [db allrows -as lists {select * from crm.contact order by 1}]
puts [lsort [dict keys [db tables]]]; puts [lsort [dict keys [db columns product]]]; puts [db primarykeys line]; puts [db foreignkeys -foreign line]
puts [catch {db allrows {select nothing from product}} message]; puts $message
set s [db prepare {select id, title from product where price > :p order by id}]; $s paramtype p numeric; set p 40; $s foreach row {puts $row}; $s close
db close
