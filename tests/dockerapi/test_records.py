"""Bodies about networks and volumes."""

import pytest

from kubedock.dockerapi import records
from kubedock.dockerapi.records import VolumeRequest
from kubedock.domain.network import NetworkRequest
from kubedock.errors import Forbidden, InvalidParameter, NotImplemented


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ({"Name": "n"}, NetworkRequest("n", ipam={"Config": []})),
        (
            {"Name": "n", "Driver": None, "IPAM": None, "Labels": None, "ConfigFrom": {"Network": ""}},
            NetworkRequest("n", ipam={"Config": []}),
        ),
        (
            {
                "Name": "n",
                "Driver": "bridge",
                "Internal": True,
                "Attachable": True,
                "EnableIPv6": True,
                "IPAM": {
                    "Driver": "default",
                    "Config": [{"Subnet": "10.0.0.0/24", "Gateway": None, "Unknown": 5}],
                    "Options": {"a": None},
                },
                "Options": {"a": "b"},
                "Labels": {"c": None},
                "CheckDuplicate": True,
            },
            NetworkRequest(
                "n",
                "bridge",
                {"c": ""},
                {"a": "b"},
                True,
                True,
                True,
                {"Driver": "default", "Config": [{"Subnet": "10.0.0.0/24"}], "Options": {"a": None}},
            ),
        ),
    ],
)
def test_a_network_is_read(body, request_):
    """Null is absent, what is not known is ignored."""
    assert records.network(body) == request_


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"Name": 5}, InvalidParameter),
        ({"Name": "n", "IPAM": {"Config": {}}}, InvalidParameter),
        ({"Name": "n", "IPAM": {"Config": [{"Subnet": 5}]}}, InvalidParameter),
        ({"Name": "n", "Ingress": True}, Forbidden),
        ({"Name": "n", "ConfigOnly": True}, NotImplemented),
        ({"Name": "n", "ConfigFrom": {"Network": "other"}}, NotImplemented),
    ],
)
def test_what_makes_no_network_is_refused(body, error):
    """Wrong types, swarm's, and networks of other networks."""
    with pytest.raises(error):
        records.network(body)


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ({}, VolumeRequest()),
        ({"Name": "v", "Driver": "local", "DriverOpts": None, "Labels": {"a": None}}, VolumeRequest("v", "local", {"a": ""}, {})),
        ({"DriverOpts": {"type": "nfs"}}, VolumeRequest(options={"type": "nfs"})),
    ],
)
def test_a_volume_is_read(body, request_):
    """Without a name it is anonymous."""
    assert records.volume(body) == request_


def test_a_swarms_volume_is_refused():
    """Kubernetes does the clustering."""
    with pytest.raises(NotImplemented):
        records.volume({"ClusterVolumeSpec": {"Group": "g"}})


def test_connecting_needs_a_container():
    """And force is true or false."""
    assert (records.container({"Container": "web"}), records.force({"Force": True}), records.force({})) == ("web", True, False)
    for body in ({}, {"Container": ""}, {"Container": 5}):
        with pytest.raises(InvalidParameter):
            records.container(body)
    with pytest.raises(InvalidParameter):
        records.force({"Force": "yes"})
