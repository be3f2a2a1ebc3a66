"""A small client of the PostgreSQL protocol for what no driver plays: single messages, pipelines, odd and malformed packets."""
import base64
import hashlib
import hmac
import os
import socket
import struct
import urllib.parse


class Wire:
    def __init__(self, url, database=None, params=None, login=True, version=196608):
        u = urllib.parse.urlsplit(url)
        self.user, self.password = u.username, urllib.parse.unquote(u.password)
        self.database = database if database is not None else u.path[1:]
        self.address = (u.hostname, u.port)
        self.s = socket.create_connection(self.address, timeout=20)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b''
        self.key = None
        self.parameters = {}
        if login:
            self.startup(params or {}, version)
            self.login()
    def startup(self, params, version=196608):
        body = struct.pack('!I', version)
        for k, v in dict({'user': self.user, 'database': self.database}, **params).items():
            body += k.encode() + b'\0' + v.encode() + b'\0'
        self.send_raw(struct.pack('!I', len(body) + 5) + body + b'\0')
    def send_raw(self, b): self.s.sendall(b)
    def send(self, *msgs): self.s.sendall(b''.join(msgs))
    def read_exact(self, n):
        while len(self.buf) < n:
            d = self.s.recv(262144)
            if not d: raise EOFError(self.buf)
            self.buf += d
        r, self.buf = self.buf[:n], self.buf[n:]
        return r
    def get(self):
        h = self.read_exact(5)
        return h[:1].decode(), self.read_exact(struct.unpack('!I', h[1:])[0] - 4)
    def login(self, password=None):
        password = self.password if password is None else password
        t, b = self.get()
        if t == 'v': t, b = self.get()
        if t == 'E': raise Refused(fields(b))
        assert t == 'R' and struct.unpack('!I', b[:4])[0] == 10, (t, b)
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = 'n=,r=' + nonce
        first = ('n,,' + bare).encode()
        self.send(msg('p', b'SCRAM-SHA-256\0' + struct.pack('!I', len(first)) + first))
        t, b = self.get()
        if t == 'E': raise Refused(fields(b))
        server_first = b[4:].decode()
        a = dict(x.split('=', 1) for x in server_first.split(','))
        salted = hashlib.pbkdf2_hmac('sha256', password.encode(), base64.b64decode(a['s']), int(a['i']))
        ck = hmac.digest(salted, b'Client Key', 'sha256')
        final = 'c=biws,r=' + a['r']
        auth = (bare + ',' + server_first + ',' + final).encode()
        sig = hmac.digest(hashlib.sha256(ck).digest(), auth, 'sha256')
        proof = base64.b64encode(bytes(x ^ y for x, y in zip(ck, sig))).decode()
        self.send(msg('p', (final + ',p=' + proof).encode()))
        while True:
            t, b = self.get()
            if t == 'E': raise Refused(fields(b))
            if t == 'K': self.key = b
            if t == 'S':
                k, v = b.split(b'\0')[:2]
                self.parameters[k.decode()] = v.decode()
            if t == 'Z': return
    def until_ready(self):
        out = []
        while True:
            m = self.get()
            out.append(m)
            if m[0] == 'Z': return out
    def query(self, sql):
        self.send(query(sql))
        return self.until_ready()
    def rows(self, sql):
        return [row(b) for t, b in self.query(sql) if t == 'D']
    def at_end(self):
        """Everything up to the end of the connection."""
        out = []
        try:
            while True: out.append(self.get())
        except (EOFError, ConnectionResetError) as e:
            return out
    def close(self):
        try: self.s.close()
        except OSError: pass

class Refused(Exception):
    pass

def msg(t, body=b''): return t.encode() + struct.pack('!I', len(body) + 4) + body
def z(s): return (s.encode() if isinstance(s, str) else s) + b'\0'
def query(sql): return msg('Q', z(sql))
def parse(name, sql, types=()): return msg('P', z(name) + z(sql) + struct.pack('!H', len(types)) + b''.join(struct.pack('!I', t) for t in types))
def bind(portal, stmt, params=(), formats=(), results=()):
    b = z(portal) + z(stmt) + struct.pack('!H', len(formats)) + b''.join(struct.pack('!h', f) for f in formats)
    b += struct.pack('!H', len(params))
    for p in params:
        if p is None: b += struct.pack('!i', -1)
        else:
            p = p.encode() if isinstance(p, str) else p
            b += struct.pack('!i', len(p)) + p
    return msg('B', b + struct.pack('!H', len(results)) + b''.join(struct.pack('!h', f) for f in results))
def describe(kind, name): return msg('D', kind.encode() + z(name))
def execute(portal, rows=0): return msg('E', z(portal) + struct.pack('!i', rows))
def close(kind, name): return msg('C', kind.encode() + z(name))
sync, flush, terminate = msg('S'), msg('H'), msg('X')
def copy_data(b): return msg('d', b)
copy_done = msg('c')
def copy_fail(s): return msg('f', z(s))
def fields(b):
    return {p[:1].decode(): p[1:].decode(errors='replace') for p in b.split(b'\0') if p}
def row(b):
    n, = struct.unpack('!H', b[:2]); at = 2; out = []
    for _ in range(n):
        l, = struct.unpack('!i', b[at:at + 4]); at += 4
        if l < 0: out.append(None)
        else: out.append(b[at:at + l].decode(errors='replace')); at += l
    return out
def types(messages): return ''.join(t for t, _ in messages)
def error(messages):
    return next((fields(b) for t, b in messages if t == 'E'), None)
