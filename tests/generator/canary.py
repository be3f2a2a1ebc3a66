"""Values that can be found again. Each masked text value is spelled with the letters qzxjkvw alone, each masked number with the digits
7, 8 and 9, and nothing else that is generated uses runs of these: so one pass over what a client received finds them, also turned round,
in another case, in pieces, in hexadecimal, in base64, or as a digest."""
import base64
import hashlib
import re
import struct

LETTERS = 'qzxjkvw'
DIGITS = '789'
PIECE = 5  # letters, or digits: fewer may be there by accident

_text_run = re.compile(rb'[qzxjkvw]{%d,}' % PIECE, re.I)
_digit_run = re.compile(rb'[789]{6,}')
_hex_run = re.compile(rb'(?:6[abAB]|7[1678aA]){%d,}' % PIECE)
_digest_run = re.compile(rb'[0-9a-f]{32,}')
_base64_run = re.compile(rb'[A-Za-z0-9+/]{8,}')


def text(random, least=9, most=16):
    return ''.join(random.choice(LETTERS) for _ in range(random.randint(least, most)))


def number(random, digits=9):
    return ''.join(random.choice(DIGITS) for _ in range(digits))


class Canaries:
    """What must not come out. `add` takes a value as the server would write it in text."""

    def __init__(self):
        self.pieces, self.numbers, self.digests, self.binary = set(), set(), {}, []

    def add(self, value):
        value = str(value)
        for run in re.findall('[%s]{%d,}' % (LETTERS, PIECE), value.lower()):
            for way in (run, run[::-1]):
                self.pieces.update(way[i:i + PIECE] for i in range(len(way) - PIECE + 1))
            for spelled in (run, run.upper()):
                for digest in (hashlib.md5, hashlib.sha256):
                    self.digests[digest(spelled.encode()).hexdigest()[:12]] = run
        for run in re.findall('[789]{6,}', value):
            self.numbers.update(run[i:i + 6] for i in range(len(run) - 5))
        if re.fullmatch('[789]{6,18}', value):
            self.binary.append(struct.pack('!q', int(value)))
            self.binary += [struct.pack('!d', int(value)), struct.pack('!d', int(value) + 0.5)]
            # numeric: groups of four decimal digits
            groups = [int(value[max(0, end - 4):end]) for end in range(len(value), 0, -4)][::-1]
            self.binary.append(struct.pack('!%dh' % len(groups), *groups))
            if len(value) <= 9:
                self.binary.append(struct.pack('!i', int(value)))

    def find(self, received):
        """-> what of it was received, in words; or None"""
        for match in _text_run.finditer(received):
            run = match.group().lower().decode()
            for i in range(len(run) - PIECE + 1):
                if run[i:i + PIECE] in self.pieces:
                    return 'the letters ' + run
        for match in _digit_run.finditer(received):
            run = match.group().decode()
            if any(run[i:i + 6] in self.numbers for i in range(len(run) - 5)):
                return 'the digits ' + run
        for match in _hex_run.finditer(received):
            run = bytes.fromhex(match.group().decode()).decode()
            if any(run[i:i + PIECE] in self.pieces for i in range(len(run) - PIECE + 1)):
                return 'in hexadecimal ' + run
        for match in _digest_run.finditer(received):
            if match.group()[:12].decode() in self.digests:
                return 'the digest of ' + self.digests[match.group()[:12].decode()]
        for match in _base64_run.finditer(received):
            for skip in range(4):
                piece = match.group()[skip:]
                plain = base64.b64decode(piece[:len(piece) // 4 * 4])
                run = _text_run.search(plain)
                if run and run.group().lower().decode()[:PIECE] in self.pieces:
                    return 'in base64 ' + run.group().decode()
        for packed in self.binary:
            if packed in received:
                return 'the binary %r' % packed
        return None
