"""ping, version, info, disk usage, plugins."""

import pytest

from kubedock import __version__


@pytest.mark.operation("SystemPing")
@pytest.mark.operation("SystemPingHead")
@pytest.mark.parametrize("version", [None, "1.24", "1.47", "1.99"])
def test_a_ping_has_all_of_an_engines_headers(docker, version):
    """Clients negotiate by them."""
    docker.version = version
    for answer, body in ((docker.get("/_ping"), b"OK"), (docker.head("/_ping"), b"")):
        assert answer.data == body
        expected = {
            "Builder-Version": "1",
            "Swarm": "inactive",
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "Pragma": "no-cache",
            "Content-Type": "text/plain; charset=utf-8",
        }
        assert {name: answer.headers.get(name) for name in expected} == expected


@pytest.mark.operation("SystemVersion")
def test_the_version_names_the_api_and_kubedock(docker):
    """docker-py takes ApiVersion, testcontainers compares Version."""
    found = docker.get("/version").json
    assert (found["ApiVersion"], found["MinAPIVersion"], found["Os"]) == ("1.47", "1.24", "linux")
    assert [(part["Name"], part["Version"]) for part in found["Components"]][1] == ("kubedock", __version__)
    assert tuple(int(part) for part in found["Version"].split(".")) > (1, 6, 0)


@pytest.mark.operation("SystemInfo")
def test_info_counts_and_warns(docker, a_container):
    """What libraries read of it."""
    a_container("web", start=True)
    a_container("idle")
    found = docker.get("/info").json

    counts = [found[key] for key in ("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images")]
    assert counts == [2, 1, 0, 1, 1]
    assert found["NCPU"] > 0
    assert found["MemTotal"] > 0
    assert found["Swarm"]["LocalNodeState"] == "inactive"
    assert (found["OSType"], found["IndexServerAddress"]) == ("linux", "https://index.docker.io/v1/")
    assert any("stdout and stderr cannot be told apart" in warning for warning in found["Warnings"])


@pytest.mark.operation("SystemDataUsage")
def test_disk_usage_lists_what_there_is(docker, a_container):
    """docker system df counts users."""
    docker.post("/volumes/create", {"Name": "data"}, expect=201)
    a_container("web", HostConfig={"Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}]})
    found = docker.get("/system/df").json

    assert [image["Containers"] for image in found["Images"]] == [1]
    assert [(volume["Name"], volume["UsageData"]["RefCount"]) for volume in found["Volumes"]] == [("data", 1)]
    assert [container["Names"] for container in found["Containers"]] == [["/web"]]
    assert (found["LayersSize"], found["BuildCache"]) == (0, [])
    assert set(docker.get("/system/df?type=volume").json) == {"Volumes"}
    assert docker.get("/system/df?type=cats", expect=400).message == "unknown object type: cats"


@pytest.mark.operation("BuildPrune")
def test_there_is_no_build_cache(docker):
    """``docker system prune`` must not fail for it."""
    assert docker.post("/build/prune").json == {"CachesDeleted": [], "SpaceReclaimed": 0}


@pytest.mark.operation("PluginList")
def test_there_are_no_plugins(docker):
    """An empty list."""
    assert docker.get("/plugins").json == []
