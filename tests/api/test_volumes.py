"""Volumes over the API."""

import pytest


@pytest.mark.operation("VolumeCreate")
@pytest.mark.operation("VolumeInspect")
@pytest.mark.operation("VolumeList")
def test_a_volume_is_made_and_shown(docker):
    """201 with the whole volume."""
    made = docker.post(
        "/volumes/create", {"Name": "data", "Driver": "local", "DriverOpts": None, "Labels": {"a": "b"}}, expect=201
    ).json

    assert made == docker.get("/volumes/data").json
    assert {key: made[key] for key in ("Name", "Driver", "Labels", "Scope")} == {
        "Name": "data",
        "Driver": "local",
        "Labels": {"a": "b"},
        "Scope": "local",
    }
    assert made["Mountpoint"] == "/var/lib/docker/volumes/data/_data"
    assert docker.get("/volumes").json == {"Volumes": [made], "Warnings": []}
    assert docker.get("/volumes", filters={"label": {"a=b": True}}).json["Volumes"] == [made]
    assert docker.get("/volumes", filters={"name": ["other"]}).json == {"Volumes": [], "Warnings": []}


@pytest.mark.operation("VolumeCreate")
@pytest.mark.parametrize(
    ("body", "status"),
    [({"Name": "a/b"}, 400), ({"Name": 5}, 400), ({"Labels": ["a"]}, 400), ({"Name": "ok", "Driver": "nfs"}, 404)],
)
def test_what_makes_no_volume_is_refused(docker, body, status):
    """With Docker's statuses."""
    docker.post("/volumes/create", body, expect=status)


@pytest.mark.operation("VolumeDelete")
def test_a_volume_in_use_is_409_and_an_absent_one_404(docker, a_container):
    """And force is quiet about an absent one."""
    used = a_container("web", HostConfig={"Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}]})

    assert docker.delete("/volumes/data", expect=409).message == f"remove data: volume is in use - [{used}]"
    docker.delete("/containers/web?v=1")
    docker.delete("/volumes/data")
    assert docker.delete("/volumes/data", expect=404).message == "get data: no such volume"
    docker.delete("/volumes/data?force=1")
    assert docker.get("/volumes/data", expect=404).message == "get data: no such volume"


@pytest.mark.operation("VolumePrune")
def test_prune_takes_named_volumes_only_when_asked(docker):
    """Before API 1.42 always."""
    docker.post("/volumes/create", {"Name": "data"}, expect=201)
    anonymous = docker.post("/volumes/create", {}, expect=201).json["Name"]

    assert docker.post("/volumes/prune").json == {"VolumesDeleted": [anonymous], "SpaceReclaimed": 0}
    docker.version = "1.41"
    assert docker.post("/volumes/prune").json["VolumesDeleted"] == ["data"]
    docker.version = "1.47"
    assert docker.post("/volumes/prune", filters={"colour": ["red"]}, expect=400).message == "invalid filter 'colour'"
