# ActiveRecord: migrations up and down, the schema dumped and loaded, queries and writes; the pg driver and Sequel beside it.
require 'uri'
require 'logger'
url = ENV['DATABASE_URL']
def show(name, value) = puts("#{name} #{value.inspect}")
def attempt(name)
  show(name, yield)
rescue StandardError => e
  show(name, [e.class.name, e.message.lines.first.strip])
end

def pg(url)
  require 'pg'
  c = PG.connect(url)
  c.type_map_for_results = PG::BasicTypeMapForResults.new(c)
  show 'rows', c.exec_params('select id, title, price::float8, tags, flag, made from product where id = any($1) order by id', ['{1,2}']).to_a
  c.prepare('p', 'select title from product where id = $1')
  3.times { |i| show 'prepared', c.exec_prepared('p', [i + 1]).values }
  show 'described', [c.describe_prepared('p').nparams, c.describe_prepared('p').fields]
  c.copy_data('copy log from stdin') { 100.times { |i| c.put_copy_data("2024-01-0#{1 + i % 9}\trow #{i}\n") } }
  out = []
  c.copy_data('copy (select id, title from product where id < 3 order by id) to stdout csv') { while (row = c.get_copy_data) do out << row end }
  show 'copy', out
  c.transaction { |t| t.exec('insert into crm.contact(id) values (1)') }
  attempt('rolled back') { c.transaction { |t| t.exec('insert into crm.contact(id) values (2)'); raise 'undo' } }
  show 'left', c.exec('select id from crm.contact').values
  c.send_query('select 1; select 2')
  show 'several', [c.get_result.values, c.get_result.values, c.get_result]
  c.send_query('select g from generate_series(1, 5) g'); c.set_single_row_mode
  n = 0; c.get_result.stream_each { n += 1 }; c.get_result; show 'single rows', n
  c.enter_pipeline_mode; c.send_query_params('select $1::int', [7]); c.send_query_params('select $1::int', [8]); c.pipeline_sync
  got = []; while (r = c.get_result || c.get_result) do got << (r.result_status == PG::PGRES_PIPELINE_SYNC ? :sync : r.values); break if got.last == :sync end; show 'pipeline', got; c.exit_pipeline_mode
  c.exec('listen ruby'); c.exec("notify ruby, 'x'"); show 'heard', c.wait_for_notify(2) { |ch, _, load| [ch, load] }
  attempt('error') { c.exec('select nothing from product') }; attempt('division') { c.exec('select 1/0') }
  notices = []; c.set_notice_processor { |m| notices << m }; c.exec('drop table if exists nowhere'); show 'notices', notices
  c.finish
end

def sequel(url)
  require 'sequel'
  db = Sequel.connect(url)
  Sequel.extension :migration
  db.create_table(:people) { primary_key :id; String :name, size: 50, null: false, index: true; String :email, unique: true; String :phone; column :tags, 'text[]'; jsonb :doc; BigDecimal :money, size: [10, 2]; check { money >= 0 } }
  db.create_table(:notes) { primary_key :id; foreign_key :person_id, :people, on_delete: :cascade; String :body, text: true; index %i[person_id body], unique: true }
  db.alter_table(:notes) { add_column :n, Integer, default: 0; rename_column :body, :text; set_column_type :n, :Bignum; drop_index %i[person_id text], name: :notes_person_id_body_index; add_index :n }
  db.rename_table(:notes, :remarks)
  people, remarks = db[:people], db[:remarks]
  show 'insert', [people.insert(name: 'a', money: 5), people.multi_insert([{ name: 'b' }, { name: 'c' }], return: :primary_key)]
  remarks.import(%i[person_id text n], [[1, 'x', 1], [1, 'y', 2], [2, 'z', 3]])
  show 'join', people.left_join(:remarks, person_id: :id).select_group(Sequel[:people][:name]).select_append { count(Sequel[:remarks][:id]).as(n) }.order(1).all
  show 'where', people.where(name: %w[a b]).exclude(id: 2).or { id > 2 }.select(:id).order(:id).map(:id)
  show 'upsert', people.insert_conflict(target: :id, update: { name: Sequel[:excluded][:name] }).insert(id: 1, name: 'up')
  show 'window', remarks.select { [id, rank.function.over(partition: :person_id, order: Sequel.desc(:n)).as(r)] }.order(:id).all
  show 'update', remarks.where { n > 1 }.returning(:n).update(n: Sequel[:n] + 1)
  db.transaction(isolation: :serializable) { show 'lock', people.where(id: 1).for_update.skip_locked.select_map(:id) rescue show('lock', $!.message); db.transaction(savepoint: true) { remarks.delete; raise Sequel::Rollback } }
  show 'schema', [db.tables.sort, db.schema(:people).map { |c, i| [c, i[:db_type], i[:allow_null], i[:primary_key]] }, db.indexes(:remarks), db.foreign_key_list(:remarks).map { |k| k[:columns] }, db.primary_key(:people), db.views]
  show 'stream', people.use_cursor(rows_per_fetch: 1).select(:id).order(:id).map(:id) rescue show('stream', $!.message)
  show 'copy', db.copy_table(people.select(:id, :name).order(:id), format: :csv) rescue show('copy', $!.message)
  db.disconnect
end

def active_record(url)
  require 'active_record'
  ActiveRecord::Migration.verbose = false
  ActiveRecord::Base.establish_connection(url.sub('postgresql:', 'postgres:'))
  base = ActiveRecord::Migration[6.1]
  first = Class.new(base) do
    def change
      enable_extension 'pgcrypto'
      create_table :users, comment: 'people' do |t|
        t.string :name, limit: 50, null: false; t.string :email, index: { unique: true }; t.string :phone; t.jsonb :doc, default: {}; t.text :tags, array: true, default: []
        t.decimal :money, precision: 10, scale: 2; t.uuid :key; t.inet :ip; t.daterange :span; t.boolean :ok, default: true, null: false; t.binary :raw; t.datetime :at, precision: 6; t.integer :version, default: 0;
        t.timestamps default: -> { "'2024-01-01'" }
      end
      create_table(:posts, id: :uuid, default: 'gen_random_uuid()') { |t| t.references :user, foreign_key: { on_delete: :cascade }, type: :bigint; t.string :title; t.integer :n, default: 0; t.index %i[user_id title], unique: true, where: 'n > 5', name: 'some_posts' }
      create_table(:tags) { |t| t.string :word }
      create_join_table(:posts, :tags, column_options: { type: :string }) { |t| t.index :tag_id } rescue nil
      reversible { |d| d.up { add_index :users, 'lower(name)', name: 'user_lower' }; d.down { remove_index :users, name: 'user_lower' } }; add_check_constraint :users, 'money >= 0', name: 'rich'
      reversible { |d| d.up { execute 'create view names as select id, name from users' }; d.down { execute 'drop view names' } }
    end
  end
  second = Class.new(base) do
    def change
      add_column :posts, :body, :text, comment: 'what it says'; rename_column :posts, :n, :score; rename_index :posts, 'some_posts', 'good_posts'; add_reference :posts, :editor, foreign_key: { to_table: :users }; change_column_default :posts, :score, from: 0, to: 1; change_column_null :tags, :word, false
      reversible { |d| d.up { change_column :posts, :title, :string, limit: 80 }; d.down { change_column :posts, :title, :string } }
      rename_table :tags, :labels; add_timestamps :labels, null: true
    end
  end
  third = Class.new(base) do
    disable_ddl_transaction!
    def up = add_index(:posts, :body, algorithm: :concurrently)
    def down = remove_index(:posts, :body, algorithm: :concurrently)
  end
  c = ActiveRecord::Base.connection
  list = { 1 => first, 2 => second, 3 => third }.map { |v, k| ActiveRecord::MigrationProxy.new("M#{v}", v, '', '').tap { |p| p.define_singleton_method(:migration) { k.new("M#{v}", v) }; p.define_singleton_method(:disable_ddl_transaction) { k.disable_ddl_transaction } } }
  ActiveRecord::SchemaMigration.create_table; ActiveRecord::InternalMetadata.create_table
  run = ->(direction, target) { ActiveRecord::Migrator.new(direction, list, ActiveRecord::SchemaMigration, target).migrate; show direction, ActiveRecord::SchemaMigration.all_versions }
  run.(:up, nil); run.(:down, 0); run.(:up, nil); run.(:down, 1); run.(:up, nil)
  io = StringIO.new; ActiveRecord::SchemaDumper.dump(c, io); puts io.string
  user = Class.new(ActiveRecord::Base) { self.table_name = 'users'; self.locking_column = 'version'; self.ignored_columns = %w[email phone]; def self.name = 'User' }
  post = Class.new(ActiveRecord::Base) { self.table_name = 'posts'; def self.name = 'Post' }
  user.has_many :posts, anonymous_class: post, foreign_key: :user_id; post.belongs_to :user, anonymous_class: user
  u = user.create!(name: 'one', doc: { a: [1] }, tags: %w[x y], money: 5.5, key: '00000000-0000-0000-0000-000000000001', ip: '10.0.0.1', span: Date.new(2024, 1, 1)..Date.new(2024, 2, 1), raw: "\0\xff".b)
  show 'insert_all', user.insert_all!([{ name: 'two' }, { name: 'three' }], returning: %w[id]).rows
  3.times { |i| post.create!(user_id: u.id, title: "t#{i}", score: i, id: "00000000-0000-0000-0000-00000000000#{i}") }
  show 'columns', user.columns.map { |x| [x.name, x.sql_type, x.null, x.default] }
  show 'where', user.where(name: %w[one two]).or(user.where('money > ?', 5)).where.not(id: 99).order(:id).pluck(:id, :name, :doc, :tags)
  show 'join', user.joins(:posts).group('users.name').having('count(*) > 0').count
  show 'includes', user.includes(:posts).order(:id).map { |x| [x.id, x.posts.map(&:title).sort] }
  show 'eager', user.eager_load(:posts).where(posts: { score: 1 }).pluck('users.id')
  show 'exists', [user.exists?(name: 'one'), post.where(user_id: user.select(:id).where(name: 'one')).count, post.sum(:score), post.average(:score).to_s, post.maximum(:score), user.distinct.count(:name)]
  show 'json', user.where("doc @> ?", { a: [1] }.to_json).where('? = any(tags)', 'x').pluck(:id)
  u.update!(name: 'ONE'); show 'updated', [user.find(u.id).version, post.where(score: 0).update_all('score = score + 10'), post.where(score: 10).delete_all]
  stale = user.find(u.id); user.find(u.id).update!(name: 'again'); attempt('stale') { stale.update!(name: 'no') }
  show 'upsert', user.upsert_all([{ id: 1, name: 'up' }], unique_by: :id, returning: %w[id name]).rows
  user.transaction(isolation: :serializable) { show 'lock', user.lock('for update skip locked').where(id: 1).pluck(:id); user.transaction(requires_new: true) { post.delete_all; raise ActiveRecord::Rollback }; show 'left', post.count }
  attempt('check') { user.create!(name: 'x', money: -1) && 1 }; attempt('null') { user.insert!({ name: nil }) && 1 }; attempt('missing') { c.execute('select * from nowhere') }
  show 'batches', user.in_batches(of: 2).map(&:count); show 'advisory', c.get_advisory_lock(7) && c.release_advisory_lock(7); show 'explain', user.where(id: 1).explain.lines.size > 2
  show 'introspection', [c.tables.sort, c.views, c.indexes('posts').map(&:name).sort, c.foreign_keys('posts').map(&:column).sort, c.check_constraints('users').map(&:name), c.extensions.sort, c.primary_keys('users'), c.table_comment('users'), c.data_source_exists?('names'), c.schema_names]
  c.disable_referential_integrity { 1 }; c.reset_pk_sequence!('users'); c.truncate_tables('posts', 'users'); show 'truncated', user.count
end
send(ARGV[0], url)
puts 'done'
