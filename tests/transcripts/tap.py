"""Listens in on both sides of a `dbguard proxy`: what clients and servers send, and what is sent to them, message by message."""
import re
import socket
import struct
import threading

CANCEL = 80877102


class Tap:
    """Forwards one side's connections to `port`. `incoming` and `outgoing`: how what goes to that port, and what comes from there, is
    called in `lines`, which taps share: (number of the session, line), a message before it is forwarded. What logs in is not there."""

    def __init__(self, port, incoming, outgoing, lines, lock):
        self.port_behind, self.incoming, self.outgoing, self.lines, self.lock = port, incoming, outgoing, lines, lock
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.threads, self.sessions = [], 0
        self.start(self.accept)

    def start(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.start(self.connection, near)

    def connection(self, near):
        far = socket.create_connection(('127.0.0.1', self.port_behind))
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = exactly(near, 8)
        length, code = struct.unpack('!II', first)
        first += exactly(near, length - 8)
        if code == CANCEL:
            if self.incoming == 'F':
                self.note(self.sessions, 'F CancelRequest')   # for the last one
            far.sendall(first)
            far.recv(1)   # its end says that the request was taken
            near.close()
            far.close()
            return
        far.sendall(first)
        self.sessions += 1
        ready = threading.Event()   # the login is over
        there = self.start(self.forward, self.sessions, near, far, self.incoming, ready, False)
        self.forward(self.sessions, far, near, self.outgoing, ready, True)
        there.join()
        near.close()
        far.close()

    def forward(self, session, source, target, side, ready, from_server):
        rest = b''
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                data = b''
            if not data:
                break
            rest += data
            while len(rest) >= 5:
                length = 1 + struct.unpack('!I', rest[1:5])[0]
                if len(rest) < length:
                    break
                message, rest = rest[:length], rest[length:]
                if ready.is_set():
                    self.note(session, '%s %s' % (side, message.hex()))
                elif from_server and message[:1] == b'Z':
                    ready.set()
                send(target, message)
        for s, how in ((source, socket.SHUT_RD), (target, socket.SHUT_WR)):
            try:
                s.shutdown(how)
            except OSError:
                pass

    def note(self, session, line):
        with self.lock:
            self.lines.append((session, line))

    def wait(self):
        """Until every connection was ended by both sides."""
        for thread in self.threads[1:]:
            thread.join(20)
            assert not thread.is_alive(), 'a connection that does not end'

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join()
        self.listener.close()


def send(target, data):
    try:
        target.sendall(data)
    except OSError:
        pass


def exactly(s, n):
    data = b''
    while len(data) < n:
        got = s.recv(n - len(data))
        if not got:
            raise EOFError
        data += got
    return data


def with_port(url, port):
    return re.sub(r'@127\.0\.0\.1:\d+', '@127.0.0.1:%d' % port, url)
