"""A pod -> its place: which servers it asks for names."""

from typing import Any

import pytest

from kubedock.embedded.runtime import Dns
from kubedock.embedded.sandbox import sandbox_spec

GATEWAY = "198.18.64.1"
PUBLIC, STUB = Dns(("192.0.2.53",), ("corp.example",)), Dns(("127.0.0.53", "::1", "192.0.2.53"), (), ("edns0",))
CLUSTER = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")
OWN = {"dnsConfig": {"nameservers": ["192.0.2.1"]}}


@pytest.mark.parametrize(
    ("spec", "gateway", "upstream", "expected"),
    [
        ({}, GATEWAY, PUBLIC, Dns((GATEWAY,), (*CLUSTER, "corp.example"), ("ndots:5",))),
        ({}, "", PUBLIC, Dns(("192.0.2.53",), (*CLUSTER, "corp.example"))),
        ({"dnsPolicy": "Default"}, GATEWAY, PUBLIC, PUBLIC),
        ({"dnsPolicy": "Default"}, GATEWAY, STUB, Dns((GATEWAY, "192.0.2.53"), (), ("edns0",))),
        ({"dnsPolicy": "Default"}, "", STUB, STUB),
        ({"dnsPolicy": "Default"}, GATEWAY, Dns(("nonsense",)), Dns(("nonsense",))),
        ({"dnsPolicy": "Default", "hostNetwork": True}, GATEWAY, STUB, Dns()),
        ({"dnsPolicy": "None", **OWN}, GATEWAY, STUB, Dns(("192.0.2.1",))),
    ],
)
def test_where_a_pod_asks_for_names(spec: dict[str, Any], gateway: str, upstream: Dns, expected: Dns) -> None:
    """By its policy; a server on the machine's loopback is no place for a pod with a network of its own."""
    pod = {"metadata": {"uid": "u", "name": "p", "namespace": "default"}, "spec": spec}

    assert sandbox_spec(pod, gateway, upstream).dns == expected
