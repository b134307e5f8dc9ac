"""What the node's name server answers by itself, and how an answer is made to fit. Messages in DNS' own format."""

from bisect import bisect_right

import dnslib

from kubedock.cluster.names import addresses, is_ours, resolve
from kubedock.cluster.store import ObjectStore

TTL = 0
LARGEST = 65_535
PLAIN_BYTES = 512
"""What every client takes by UDP."""
REVERSE = ".in-addr.arpa"


class LocalNames:
    """The names of the cluster, from the store as it is now."""

    def __init__(self, store: ObjectStore, address: str, *, alone: bool) -> None:
        """``address`` is this machine's, as pods reach it; ``alone``: there is nobody else to ask."""
        self._store, self._address, self._alone = store, address, alone

    def answer(self, query: "dnslib.DNSRecord", *, largest: int = LARGEST) -> bytes | None:
        """The answer to what concerns the cluster, in at most so many bytes; None for what others know."""
        name = str(query.q.qname).rstrip(".").lower()
        reply = _empty(query, aa=1)
        if is_ours(name):
            found = resolve(self._store, name)
            if found is None:
                reply.header.rcode = dnslib.RCODE.NXDOMAIN
            elif query.q.qtype in (dnslib.QTYPE.A, dnslib.QTYPE.ANY):
                for ip in found:
                    reply.add_answer(dnslib.RR(query.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(ip), ttl=TTL))
        elif self._alone or (name.endswith(REVERSE) and self._is_near(name)):
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        else:
            return None
        return fitting(reply, largest)

    def _is_near(self, name: str) -> bool:
        """A reverse query for a pod, or for this machine."""
        ip = ".".join(reversed(name.removesuffix(REVERSE).split(".")))
        return ip == self._address or ip in addresses(self._store)


def question(message: bytes) -> "dnslib.DNSRecord | None":
    """A query; None for what is none: two servers that answered each other's answers would not end."""
    try:
        found = dnslib.DNSRecord.parse(message)
    except dnslib.DNSError:
        return None
    return None if found.header.qr else found


def failure(query: "dnslib.DNSRecord") -> bytes:
    """What a client does not take for an unknown name."""
    reply = _empty(query, aa=0)
    reply.header.rcode = dnslib.RCODE.SERVFAIL
    return bytes(reply.pack())


def largest_by_udp(query: "dnslib.DNSRecord") -> int:
    """Bytes that a client takes in one datagram: what it says (EDNS), or what all do."""
    told = (int(record.rclass) for record in query.ar if record.rtype == dnslib.QTYPE.OPT)
    return max(PLAIN_BYTES, next(told, 0))


def fitting(reply: "dnslib.DNSRecord", largest: int) -> bytes:
    """Packed, with as many of the answers as there is room for; the client is told to ask by TCP where some are missing."""
    answers = reply.rr

    def packed(count: int) -> bytes:
        reply.rr, reply.header.tc = answers[:count], int(count < len(answers))
        return bytes(reply.pack())

    whole = packed(len(answers))
    if len(whole) <= largest:
        return whole
    room = bisect_right(range(len(answers)), largest, key=lambda count: len(packed(count)))
    return packed(max(0, room - 1))


def _empty(query: "dnslib.DNSRecord", *, aa: int) -> "dnslib.DNSRecord":
    """An answer without answers. EDNS is spoken with those who do."""
    reply = query.reply(ra=1, aa=aa)
    reply.header.tc = 0
    if any(record.rtype == dnslib.QTYPE.OPT for record in query.ar):
        reply.add_ar(dnslib.EDNS0(udp_len=LARGEST))
    return reply
