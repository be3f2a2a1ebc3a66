"""SQLAlchemy: tables made and reflected, queries of the core and of the ORM, errors, cursors; driver: psycopg2."""
import datetime
import decimal
import os
import re

import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import Session, aliased, declarative_base, joinedload, relationship, selectinload, subqueryload

url = os.environ['DATABASE_URL'].replace('postgresql://', 'postgresql+psycopg2://')
engine = sa.create_engine(url, future=True, connect_args={'application_name': 'alchemy'}, executemany_mode='values_plus_batch')
Base = declarative_base()


class Customer(Base):
    __tablename__ = 'customer'
    id = sa.Column(sa.Integer, sa.Identity(), primary_key=True)
    name = sa.Column(sa.String(50), nullable=False, index=True)
    email = sa.Column(sa.Text, unique=True)
    phone = sa.Column(sa.String(20))
    kind = sa.Column(sa.Enum('person', 'company', name='kind'), server_default='person')
    at = sa.Column(sa.DateTime(timezone=True), server_default=sa.text("'2024-01-01Z'"))
    orders = relationship('Order', back_populates='customer', cascade='all, delete-orphan', order_by='Order.id')


class Order(Base):
    __tablename__ = 'order'
    __table_args__ = (sa.CheckConstraint('total >= 0', name='positive'), sa.Index('recent', sa.text('at DESC'), postgresql_where=sa.text("total > 10")), {'comment': "What's bought"})
    id = sa.Column(sa.BigInteger, primary_key=True)
    customer_id = sa.Column(sa.ForeignKey('customer.id', ondelete='CASCADE'), nullable=False)
    at = sa.Column(sa.Date)
    total = sa.Column(sa.Numeric(12, 2), comment='in euros')
    tags = sa.Column(pg.ARRAY(sa.Text))
    doc = sa.Column(pg.JSONB)
    span = sa.Column(pg.INT4RANGE)
    ip = sa.Column(pg.INET)
    bits = sa.Column(pg.BIT(4))
    key = sa.Column(pg.UUID(as_uuid=True))
    raw = sa.Column(sa.LargeBinary)
    half = sa.Column(sa.Numeric, sa.Computed('total / 2'))
    customer = relationship('Customer', back_populates='orders')


def show(name, value):
    print(name, repr(value))


show('version', engine.dialect.name)
Base.metadata.create_all(engine)
Base.metadata.create_all(engine)  # a second time: asks what is there
with engine.begin() as c:
    c.execute(sa.text('create view big as select id, total from "order" where total > 50'))
    c.execute(sa.text('create schema other'))
    c.execute(sa.text('create table other.thing (a int primary key, b text default \'x\', customer int references customer)'))
    c.execute(sa.text('create domain other.posint as int check (value > 0)'))
    c.execute(sa.text('create materialized view other.sums as select customer_id, sum(total) as s from "order" group by 1'))

with Session(engine, future=True) as s:
    s.add_all([Customer(name='C%d' % i, orders=[Order(at=datetime.date(2024, 1, i + k + 1), total=decimal.Decimal(i * 10 + k), tags=['a', 'b%d' % k], doc={'k': k, 'deep': {'x': [i, k]}},
                                                         span=None, ip='10.0.0.%d' % i, bits='0101', raw=b'\0\xff') for k in range(3)]) for i in range(5)])
    s.commit()
    show('ids', s.execute(select(Customer.id, Customer.name).order_by(Customer.id)).all())
    show('get', s.get(Customer, 1).name)
    show('joined', [(c.name, len(c.orders)) for c in s.execute(select(Customer).options(joinedload(Customer.orders)).order_by(Customer.name)).unique().scalars()] if False else
         [(c, n) for c, n in s.execute(select(Customer.name, func.count(Order.id)).join(Order).group_by(Customer.name).having(func.count() > 1).order_by(Customer.name))])
    show('selectin', [(o.id, o.customer_id) for o in s.execute(select(Order).order_by(Order.id).limit(4)).scalars()])
    show('exists', s.execute(select(Customer.name).where(Customer.orders.any(Order.total > 30)).order_by(Customer.name)).scalars().all())
    show('window', s.execute(select(Order.id, func.row_number().over(partition_by=Order.customer_id, order_by=Order.total.desc()), func.sum(Order.total).over(order_by=Order.id, rows=(-1, 0))).order_by(Order.id)).all()[:4])
    cte = select(Order.customer_id, func.sum(Order.total).label('s')).group_by(Order.customer_id).cte('sums')
    show('cte', s.execute(select(Customer.name, cte.c.s).join(cte, cte.c.customer_id == Customer.id).order_by(cte.c.s.desc())).all())
    tree = select(sa.literal(1).label('n')).cte('tree', recursive=True)
    tree = tree.union_all(select(tree.c.n + 1).where(tree.c.n < 5))
    show('recursive', s.execute(select(tree.c.n)).scalars().all())
    lateral = select(Order.total).where(Order.customer_id == Customer.id).order_by(Order.total.desc()).limit(1).lateral()
    show('lateral', s.execute(select(Customer.name, lateral.c.total).join(lateral, sa.true()).order_by(Customer.name)).all())
    show('json', s.execute(select(Order.doc['deep']['x'][0].as_integer(), Order.doc[('deep', 'x', '1')].astext).where(Order.doc.contains({'k': 1}), Order.doc.has_key('deep')).order_by(Order.id)).all())
    show('array', s.execute(select(func.unnest(Order.tags).label('t'), func.count()).group_by('t').order_by('t')).all())
    show('any', s.execute(select(func.count()).select_from(Order).where(Order.tags.any('b1'), Order.tags.overlap(['a', 'z']), Order.tags[1] == 'a')).scalar())
    show('case', s.execute(select(sa.case((Order.total > 20, 'big'), else_='small'), sa.cast(Order.total, sa.Integer), sa.extract('day', Order.at), sa.type_coerce(Order.id, sa.String)).order_by(Order.id).limit(3)).all())
    show('sets', s.execute(sa.union(select(Order.id).where(Order.id < 3), select(Order.id).where(Order.id.in_([3, 4]))).order_by('id')).scalars().all())
    show('agg', s.execute(select(func.array_agg(pg.aggregate_order_by(Order.id, Order.total.desc())), func.percentile_cont(0.5).within_group(Order.total), func.count().filter(Order.id > 3), func.string_agg(sa.cast(Order.id, sa.Text), ',') )).all())
    show('grouping', s.execute(select(Order.customer_id, Order.at, func.sum(Order.total)).group_by(func.grouping_sets(sa.tuple_(Order.customer_id), sa.tuple_(Order.at))).order_by(Order.customer_id, Order.at)).all()[:4])
    show('values', s.execute(select(sa.values(sa.column('a', sa.Integer), sa.column('b', sa.Text), name='v').data([(1, 'x'), (2, 'y')])).order_by('a')).all())
    show('tuple', s.execute(select(Order.id).where(sa.tuple_(Order.customer_id, Order.id).in_([(1, 1), (2, 5)])).order_by(Order.id)).scalars().all())
    show('lock', s.execute(select(Order.id).where(Order.id < 3).order_by(Order.id).with_for_update(skip_locked=True, of=Order)).scalars().all())
    show('distinct', s.execute(select(Order.customer_id, Order.total).distinct(Order.customer_id).order_by(Order.customer_id, Order.total.desc())).all())
    show('sample', s.execute(select(func.count()).select_from(sa.tablesample(Order, 100))).scalar())
    show('jsonb rows', s.execute(select(func.jsonb_array_elements_text(Order.doc['deep']['x'])).where(Order.id == 2)).scalars().all())
    show('series', s.execute(select(func.generate_series(1, 3).table_valued("v").render_derived().c.v)).scalars().all())
    order = s.execute(select(Order).where(Order.id == 1)).scalar_one()
    order.total = 99
    order.doc = {**order.doc, 'new': True}
    s.flush()
    show('updated', order.half)
    show('bulk update', s.execute(sa.update(Order).where(Order.total < 5).values(total=Order.total + 1).returning(Order.id, Order.total)).all())
    show('update from', s.execute(sa.update(Order).where(Order.customer_id == Customer.id, Customer.name == 'C1').values(tags=['u']).execution_options(synchronize_session=False)).rowcount)
    show('delete', s.execute(sa.delete(Order).where(Order.id == 15).returning(Order.id)).all())
    with s.begin_nested():
        s.add(Customer(name='nested'))
    s.rollback()
    show('after rollback', s.execute(select(func.count()).select_from(Customer)).scalar())

with engine.connect() as c:
    insert = pg.insert(Customer.__table__)
    show('upsert', c.execute(insert.values(id=sa.text('default') if False else 100, name='up').on_conflict_do_update(index_elements=['id'], set_={'name': insert.excluded.name + '!'}).returning(Customer.__table__.c.name)).all())
    show('upsert', c.execute(insert.values(id=100, name='up').on_conflict_do_update(index_elements=['id'], set_={'name': insert.excluded.name + '!'}, where=Customer.__table__.c.name == 'up').returning(Customer.__table__.c.name)).all())
    show('nothing', c.execute(insert.values(id=100, name='up').on_conflict_do_nothing()).rowcount)
    show('many', c.execute(sa.insert(Customer.__table__), [{'name': 'm%d' % i} for i in range(40)]).rowcount)
    show('from select', c.execute(sa.insert(sa.table('thing', sa.column('a'), sa.column('b'), schema='other')).from_select(['a', 'b'], select(Customer.id, Customer.name).where(Customer.name.like('m%')))).rowcount)
    c.commit()
    for bad in ('insert into other.thing values (null)', 'select nothing from customer', 'insert into "order"(customer_id, total) values (1, -1)', 'select 1/0', 'selec 1', "select 'x'::int"):
        try:
            c.execute(sa.text(bad))
        except sa.exc.DBAPIError as error:
            show(bad, (type(error).__name__, str(error.orig)))
        c.rollback()
    streamed = c.execution_options(stream_results=True, yield_per=7).execute(select(Customer.id).order_by(Customer.id))
    show('streamed', sum(1 for _ in streamed))
    c.rollback()
    for level in ('REPEATABLE READ', 'SERIALIZABLE', 'AUTOCOMMIT', 'READ COMMITTED'):
        with engine.connect().execution_options(isolation_level=level) as d:
            show(level, d.execute(sa.text('show transaction isolation level')).scalar())
    two = engine.connect()
    two.begin_twophase() if False else None
    two.close()

inspector = sa.inspect(engine)
for schema in inspector.get_schema_names():
    if schema == 'information_schema':
        continue
    show('schema', (schema, sorted(inspector.get_table_names(schema)), sorted(inspector.get_view_names(schema))))
    for table in sorted(inspector.get_table_names(schema)):
        show(table, [inspector.get_columns(table, schema), inspector.get_pk_constraint(table, schema), inspector.get_foreign_keys(table, schema), inspector.get_indexes(table, schema),
                     inspector.get_unique_constraints(table, schema), inspector.get_check_constraints(table, schema), inspector.get_table_comment(table, schema)])
show('enums', inspector.get_enums(schema='*'))
show('view', inspector.get_view_definition('big'))
show('temp', (inspector.has_table('customer'), inspector.has_table('nowhere'), inspector.get_sequence_names()))
reflected = sa.MetaData()
reflected.reflect(engine, views=True)
show('reflected', [re.sub('0x[0-9a-f]+', '', str(x)) for x in sorted((t.name, [repr(col) for col in t.columns]) for t in reflected.tables.values())])
other = sa.MetaData(schema='other')
other.reflect(engine)
show('other', sorted(other.tables))
from sqlalchemy.ext.automap import automap_base  # noqa: E402
Auto = automap_base()
Auto.prepare(engine, reflect=True)
with Session(engine) as s:
    show('automap', s.query(Auto.classes.order).filter(Auto.classes.order.total > 20).order_by(Auto.classes.order.id).first().id)
Base.metadata.tables['order'].drop(engine) if False else None
with engine.begin() as c:
    c.execute(sa.text('drop materialized view other.sums')), c.execute(sa.text('drop view big')), c.execute(sa.text('drop table other.thing'))
Base.metadata.drop_all(engine)
Base.metadata.create_all(engine)
engine.dispose()
