"""A server that speaks just enough PostgreSQL to log somebody in, and then does what a test says: what real servers never do."""
import socket
import struct
import threading

from postgres_wire import msg, z

READY = msg('Z', b'I')


def columns(*names):
    """RowDescription of text columns that come from no table."""
    return msg('T', struct.pack('!H', len(names)) + b''.join(z(n) + struct.pack('!IHIhih', 0, 0, 25, -1, -1, 0) for n in names))


def data_row(*values):
    return msg('D', struct.pack('!H', len(values)) + b''.join(struct.pack('!i', len(v)) + v for v in values))


def answer(value):
    """A whole answer to a simple query of one row."""
    return columns('v') + data_row(value) + msg('C', b'SELECT 1\0') + READY


class Peer:
    """One connection that was accepted."""

    def __init__(self, connection):
        self.s, self.buf = connection, b''

    def exactly(self, n):
        while len(self.buf) < n:
            got = self.s.recv(65536)
            if not got:
                raise EOFError
            self.buf += got
        taken, self.buf = self.buf[:n], self.buf[n:]
        return taken

    def startup(self):
        length, = struct.unpack('!I', self.exactly(4))
        return self.exactly(length - 4)

    def get(self):
        kind, length = struct.unpack('!cI', self.exactly(5))
        return kind.decode(), self.exactly(length - 4)

    def send(self, data):
        self.s.sendall(data)

    def login(self):
        self.startup()
        self.send(msg('R', struct.pack('!I', 0)))
        for name, value in (('server_version', '15.6'), ('client_encoding', 'UTF8'), ('standard_conforming_strings', 'on'), ('server_encoding', 'UTF8')):
            self.send(msg('S', z(name) + z(value)))
        self.send(msg('K', struct.pack('!II', 4711, 815)) + READY)

    def query(self):
        """The text of the next simple query."""
        while True:
            kind, body = self.get()
            if kind == 'Q':
                return body[:-1].decode()
            if kind == 'X':
                raise EOFError

    def reset(self):
        """Ends it with RST instead of FIN."""
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.s.close()


class FakePostgres:
    """Runs `script(peer)` for each connection, in a thread of its own; gone with the block."""

    def __init__(self, script):
        self.script, self.open = script, []

    def __enter__(self):
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(60)
            self.open.append(connection)
            threading.Thread(target=self.serve, args=(Peer(connection),), daemon=True).start()

    def serve(self, peer):
        try:
            self.script(peer)
        except (EOFError, OSError):
            pass
        finally:
            peer.s.close()

    def __exit__(self, *_):
        self.listener.close()
        for connection in self.open:
            connection.close()

    def url(self):
        return 'postgresql://app:pencil@127.0.0.1:%d/postgres?sslmode=disable' % self.port
