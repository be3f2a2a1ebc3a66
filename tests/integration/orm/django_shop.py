"""Django: migrations of an application made, run, undone; its own applications; inspectdb; queries as an admin page or a view makes them."""
import datetime
import decimal
import io
import os
import sys
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

temp = os.environ['TEMP_DIR']
os.makedirs(temp + '/shop/migrations')
for name in ('shop/__init__.py', 'shop/migrations/__init__.py'):
    open(os.path.join(temp, name), 'w').close()
MODELS = '''
from django.contrib.postgres.fields import ArrayField, DateRangeField, HStoreField, CICharField
from django.contrib.postgres.indexes import GinIndex, BrinIndex
from django.contrib.postgres.search import SearchVectorField
from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
import uuid

class Customer(models.Model):
    name = models.CharField(max_length=100, db_index=True)
    email = models.EmailField(unique=True, null=True)
    phone = models.CharField(max_length=30, blank=True, default='')
    born = models.DateField(null=True)
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    class Meta:
        ordering = ['name']

class Tag(models.Model):
    word = models.SlugField(unique=True)

class Product(models.Model):
    title = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)
    details = models.JSONField(default=dict)
    sizes = ArrayField(models.IntegerField(), default=list)
    words = SearchVectorField(null=True)
    tags = models.ManyToManyField(Tag, related_name='products')
    picture = models.BinaryField(null=True)
    %s
    class Meta:
        indexes = [GinIndex(fields=['details']), models.Index(fields=['title', '-price'], name='title_price'), models.Index(fields=['stock'], name='low', condition=models.Q(stock__lt=5))]
        constraints = [models.CheckConstraint(check=models.Q(price__gte=0), name='no_negative_price'), models.UniqueConstraint(fields=['title'], condition=models.Q(stock__gt=0), name='one_title')]

class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name='orders')
    at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=[('new', 'New'), ('paid', 'Paid')], default='new')

class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name='lines')
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    count = models.IntegerField()
    class Meta:
        unique_together = [('order', 'product')]
'''
open(temp + '/shop/models.py', 'w').write(MODELS % '')
sys.path.insert(0, temp)
parts = urlsplit(os.environ['DATABASE_URL'])
settings.configure(
    SECRET_KEY='x', USE_TZ=True, DEFAULT_AUTO_FIELD='django.db.models.BigAutoField',
    DATABASES={'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': parts.path[1:], 'USER': unquote(parts.username), 'PASSWORD': unquote(parts.password),
                           'HOST': parts.hostname, 'PORT': parts.port}},
    INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth', 'django.contrib.sessions', 'django.contrib.admin', 'django.contrib.messages',
                    'django.contrib.sites', 'django.contrib.redirects', 'django.contrib.flatpages', 'django.contrib.postgres', 'shop'],
    CACHES={'default': {'BACKEND': 'django.core.cache.backends.db.DatabaseCache', 'LOCATION': 'cache_table'}}, SITE_ID=1,
    TEMPLATES=[{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True,
                'OPTIONS': {'context_processors': ['django.contrib.auth.context_processors.auth', 'django.contrib.messages.context_processors.messages', 'django.template.context_processors.request']}}],
    MIDDLEWARE=['django.contrib.sessions.middleware.SessionMiddleware', 'django.contrib.auth.middleware.AuthenticationMiddleware', 'django.contrib.messages.middleware.MessageMiddleware'],
    ROOT_URLCONF='urls', ALLOWED_HOSTS=['*'])
open(temp + '/urls.py', 'w').write('from django.contrib import admin\nfrom django.urls import path\nurlpatterns = [path("admin/", admin.site.urls)]\n')
django.setup()
from django.core.cache import cache  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction, IntegrityError  # noqa: E402
from django.db.models import Avg, Case, Count, Exists, F, Func, Max, Min, OuterRef, Prefetch, Q, StdDev, Subquery, Sum, Value, When, Window, CharField  # noqa: E402
from django.db.models.functions import Coalesce, Concat, Extract, Lag, Length, Lower, Now, Rank, RowNumber, TruncMonth, Upper, Cast, Greatest, NullIf, Substr, MD5, StrIndex  # noqa: E402
from django.contrib.postgres.aggregates import ArrayAgg, BoolOr, JSONBAgg, StringAgg  # noqa: E402
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector, TrigramSimilarity, SearchHeadline  # noqa: E402
from shop.models import Customer, Line, Order, Product, Tag  # noqa: E402

from django.contrib import admin  # noqa: E402


class ProductAdmin(admin.ModelAdmin):
    list_display, list_filter, search_fields, date_hierarchy = ('title', 'price', 'stock'), ('stock', 'tags'), ('title', 'tags__word'), None
    filter_horizontal = ('tags',)
    exclude = ('words', 'picture')


class OrderAdmin(admin.ModelAdmin):
    list_display, list_filter, date_hierarchy, list_select_related = ('customer_id', 'at', 'state'), ('state',), 'at', False
    raw_id_fields = ('customer',)


admin.site.register(Product, ProductAdmin)
admin.site.register(Order, OrderAdmin)
admin.site.register(Tag)


def show(name, value):
    print(name, repr(value))


def command(*args, **kw):
    out = io.StringIO()
    call_command(*args, stdout=out, **kw)
    print('$', ' '.join(args))
    print(out.getvalue())


def attempt(name, work):
    try:
        with transaction.atomic():
            show(name, work())
    except Exception as error:
        show(name, (type(error).__name__, str(error)))


command('makemigrations', 'shop')
command('sqlmigrate', 'shop', '0001')
command('migrate', verbosity=1)
command('showmigrations')
with connection.cursor() as c:
    c.execute('create extension if not exists pg_trgm')
command('createcachetable')
command('check', '--database', 'default')
command('inspectdb')
command('sqlsequencereset', 'shop', 'auth')
command('migrate', 'shop', 'zero')
command('migrate', 'shop')

# ---- rows
day = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
people = Customer.objects.bulk_create([Customer(name='Customer %d' % i, born=datetime.date(1990, 1, 1 + i), key='00000000-0000-0000-0000-00000000000%d' % i) for i in range(9)])
show('keys', [p.pk for p in people])
Tag.objects.bulk_create([Tag(word=w) for w in ('red', 'blue', 'green')])
Tag.objects.bulk_create([Tag(word=w) for w in ('red', 'black')], ignore_conflicts=True)
goods = Product.objects.bulk_create([Product(title='Product %d' % i, price=decimal.Decimal(i) * 5, stock=i, details={'colour': 'red' if i % 2 else 'blue', 'size': {'w': i}}, sizes=[i, i + 1],
                                             picture=bytes([i, 0, 255])) for i in range(12)], batch_size=5)
for p in goods[:6]:
    p.tags.set(Tag.objects.filter(word__in=['red', 'blue'][:p.stock % 3]))
goods[1].tags.add(Tag.objects.get(word='green'))
goods[1].tags.remove(Tag.objects.get(word='red'))
for i, p in enumerate(people):
    o = Order.objects.create(customer=p, at=day + datetime.timedelta(days=20 * i), state='paid' if i % 3 else 'new')
    Line.objects.bulk_create([Line(order=o, product=goods[(i + k) % 12], count=k + 1) for k in range(3)])
show('saved', (people[0].save(), Customer.objects.get(pk=people[0].pk).name))
show('get_or_create', [Tag.objects.get_or_create(word='violet')[1], Tag.objects.get_or_create(word='violet')[1]])
show('update_or_create', Tag.objects.update_or_create(word='violet', defaults={'word': 'purple'})[1])
show('update', Product.objects.filter(stock__lt=3).update(price=F('price') * 2 + 1))
for p in goods:
    p.price += 1
show('bulk_update', Product.objects.bulk_update(goods, ['price', 'details'], batch_size=7))
Product.objects.update(words=SearchVector('title', config='english'))

# ---- queries
show('count', Product.objects.count())
show('exists', Product.objects.filter(price__gt=1000).exists())
show('first', Product.objects.order_by('-price', 'pk').values_list('title', 'price').first())
show('in_bulk', sorted(Product.objects.in_bulk([goods[0].pk, goods[1].pk])))
show('filters', list(Product.objects.filter(Q(title__icontains='duct 1') | ~Q(stock__in=[1, 2, 3]), price__range=(0, 500)).exclude(title__startswith='X').values_list('pk', flat=True).order_by('pk')))
show('regex', list(Product.objects.filter(title__iregex=r'^product [0-3]$').values_list('title', flat=True).order_by('title')))
show('dates', [list(Order.objects.dates('at', 'month')), list(Order.objects.datetimes('at', 'day', order='DESC'))[:2], list(Order.objects.filter(at__year=2024, at__month__gte=6, at__week_day=2).values_list('pk', flat=True))])
show('joins', list(Line.objects.select_related('order__customer', 'product').filter(order__customer__name='Customer 3').order_by('pk').values_list('order__customer__name', 'product__title', 'count')))
show('prefetch', [(o.pk, [l.count for l in o.lines.all()]) for o in Order.objects.prefetch_related(Prefetch('lines', queryset=Line.objects.order_by('count'))).order_by('pk')[:3]])
show('aggregate', Product.objects.aggregate(Sum('price'), Avg('stock'), Min('price'), Max('price'), StdDev('stock'), n=Count('id', filter=Q(stock__gt=3))))
show('annotate', list(Customer.objects.annotate(n=Count('orders__lines', distinct=True), total=Sum(F('orders__lines__count') * F('orders__lines__product__price'))).filter(n__gt=0).order_by('pk').values_list('pk', 'n', 'total')))
show('group', list(Order.objects.annotate(month=TruncMonth('at')).values('month', 'state').annotate(n=Count('pk')).order_by('month', 'state')))
show('window', list(Line.objects.annotate(r=Window(Rank(), partition_by=[F('order_id')], order_by=F('count').desc()), before=Window(Lag('count'), partition_by=[F('order_id')], order_by=F('pk').asc())).order_by('pk').values_list('pk', 'r', 'before'))[:6])
newest = Order.objects.filter(customer=OuterRef('pk')).order_by('-at')
show('subquery', list(Customer.objects.annotate(last=Subquery(newest.values('at')[:1]), any=Exists(newest.filter(state='paid'))).order_by('pk').values_list('last', 'any')[:4]))
show('case', list(Product.objects.annotate(kind=Case(When(price__lt=20, then=Value('cheap')), When(stock=0, then=Value('out')), default=Concat(Value('p'), F('title')), output_field=CharField())).order_by('pk').values_list('kind', flat=True)))
show('functions', list(Product.objects.annotate(u=Upper('title'), l=Length('title'), c=Coalesce(NullIf('stock', Value(0)), Value(7)), g=Greatest('stock', Value(4)), s=Substr('title', 1, 4), t=Cast('price', CharField()), m=MD5('title'), i=StrIndex('title', Value('u'))).order_by('pk').values_list('u', 'l', 'c', 'g', 's', 't', 'm', 'i')[:3]))
show('json', list(Product.objects.filter(details__colour='red', details__size__w__gt=3, details__has_key='size').order_by('pk').values_list('details__size__w', flat=True)))
show('json contains', Product.objects.filter(details__contains={'colour': 'blue'}).exclude(details__has_any_keys=['x', 'y']).count())
show('arrays', [Product.objects.filter(sizes__contains=[3]).count(), Product.objects.filter(sizes__overlap=[1, 9]).count(), Product.objects.filter(sizes__len=2, sizes__0=4).count(), list(Product.objects.filter(sizes__0__gt=9).values_list('sizes__0_1', flat=True))])
show('postgres aggregates', Product.objects.filter(pk__lte=goods[4].pk).aggregate(a=ArrayAgg('title', ordering='-title'), s=StringAgg('title', delimiter=', ', ordering='title'), b=BoolOr(Q(stock__gt=2)), j=JSONBAgg('stock', ordering='stock')))
show('search', list(Product.objects.annotate(rank=SearchRank(F('words'), SearchQuery('product & 5', search_type='raw'))).filter(words=SearchQuery('product', config='english')).order_by('-rank', 'pk').values_list('pk', flat=True)[:3]))
show('search2', list(Product.objects.annotate(s=SearchVector('title', weight='A') + SearchVector('details', weight='B'), h=SearchHeadline('title', SearchQuery('product'))).filter(s='blue').order_by('pk').values_list('h', flat=True)[:2]))
show('trigram', [t for t, _ in Product.objects.annotate(s=TrigramSimilarity('title', 'Product 11')).filter(s__gt=0.5).order_by('-s', 'pk').values_list('title', 's')[:2]])
show('union', sorted(Product.objects.filter(stock=1).values_list('title').union(Product.objects.filter(stock=2).values_list('title'), Product.objects.filter(stock=1).values_list('title'), all=True)))
show('except', list(Product.objects.values_list('stock', flat=True).difference(Product.objects.filter(stock__gt=2).values_list('stock', flat=True)).order_by('stock')))
show('distinct on', list(Order.objects.order_by('state', '-at').distinct('state').values_list('state', 'at')))
show('raw', [p.title for p in Product.objects.raw('select * from shop_product where stock > %s order by id', [9])])
show('iterator', sum(l.count for l in Line.objects.all().iterator(chunk_size=4)))
show('explain', Product.objects.filter(pk=1).order_by().explain(format='text').split('(')[0])
show('in huge', Product.objects.filter(pk__in=range(3000)).count())
with transaction.atomic():
    show('lock', [p.pk for p in Product.objects.select_for_update(skip_locked=True, of=('self',)).filter(stock__lt=2).order_by('pk')])
    show('lock2', [l.pk for l in Line.objects.select_for_update(nowait=True, no_key=True).filter(order__state='new').order_by('pk')])
    sid = transaction.savepoint()
    Product.objects.filter(pk=goods[0].pk).delete() if False else Tag.objects.create(word='rolled-back')
    transaction.savepoint_rollback(sid)
show('rolled back', Tag.objects.filter(word='rolled-back').count())
attempt('unique', lambda: Tag.objects.create(word='red'))
attempt('check', lambda: Product.objects.create(title='x', price=-1))
attempt('protect', lambda: Product.objects.filter(pk=goods[1].pk).delete())
attempt('overflow', lambda: Product.objects.create(title='x' * 300, price=1))
attempt('raw error', lambda: connection.cursor().execute('select nothing from shop_product'))
show('delete', Customer.objects.filter(name='Customer 8').delete())
show('cache', [cache.set('k', {'a': 1}, 60), cache.get('k'), cache.add('k', 2), cache.incr('n', 1) if cache.set('n', 4) is None else 0, cache.get_many(['k', 'n']), cache.delete('k'), cache.clear()])

# ---- the admin and sessions, as a browser would
from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402
import re  # noqa: E402
User.objects.create_superuser('root', None, 'pw')
browser = Client()
show('login', browser.login(username='root', password='pw'))
for path in ('/admin/', '/admin/shop/product/', '/admin/shop/product/?q=Product+1&o=-2&stock__exact=1', '/admin/shop/product/?tags__id__exact=1', '/admin/shop/product/%d/change/' % goods[0].pk,
             '/admin/shop/order/?at__year=2024', '/admin/shop/product/add/', '/admin/shop/tag/?p=0', '/admin/shop/product/%d/history/' % goods[0].pk):
    page = browser.get(path)
    show(path, (page.status_code, re.sub(r'value="[A-Za-z0-9]{64}"', '', page.content.decode()).count('<td')))
page = browser.post('/admin/shop/tag/add/', {'word': 'from-admin'})
show('add', (page.status_code, Tag.objects.filter(word='from-admin').count()))
page = browser.post('/admin/shop/tag/', {'action': 'delete_selected', '_selected_action': [Tag.objects.get(word='from-admin').pk], 'post': 'yes'})
show('delete', (page.status_code, Tag.objects.filter(word='from-admin').count()))
command('clearsessions')
command('dumpdata', 'shop.Product', 'shop.Tag', 'shop.Line', '--indent', '1', '-o', temp + '/dump.json')
show('dumped', len(open(temp + '/dump.json').read()))
Line.objects.all().delete()
command('loaddata', temp + '/dump.json')
show('loaded', Line.objects.count())
command('flush', '--no-input')
show('flushed', Product.objects.count())
connection.close()

# ---- the next version of the models
open(temp + '/shop/models.py', 'w').write((MODELS % "weight = models.FloatField(default=1.5)\n    maker = models.ForeignKey('Maker', null=True, on_delete=models.SET_NULL)").replace('max_length=200', 'max_length=300')
                                          .replace('stock = models.PositiveIntegerField', 'stock = models.BigIntegerField').replace("name='low'", "name='lower'")
                                          + '\nclass Maker(models.Model):\n    name = models.TextField()\n    class Meta:\n        db_table = "Makers of all"\n')
import subprocess  # noqa: E402
SECOND = r'''
import os, sys; sys.argv = ['x']; src = open(os.environ['ORM'] + '/django_shop.py').read()
head = src[src.index('parts = urlsplit'):src.index('django.setup()')]
import django; from django.conf import settings; from urllib.parse import unquote, urlsplit
temp = os.environ['TEMP_DIR']; sys.path.insert(0, temp); exec(head); django.setup()
from django.core.management import call_command
call_command('makemigrations', 'shop', '-n', 'second'); call_command('migrate', 'shop'); call_command('migrate', 'shop', '0001'); call_command('migrate', 'shop', plan=True); call_command('migrate'); call_command('inspectdb', 'shop_product', 'Makers of all')
'''
sys.stdout.flush()
sys.exit(subprocess.run([sys.executable, '-c', SECOND]).returncode)
