"""``docker events``: each once, in Docker's order, with the attributes that clients read."""

import json
import time
from typing import Any

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.waiting import eventually


def parsed(text: str) -> list[dict[str, Any]]:
    """Events as the client prints them as JSON."""
    return [json.loads(line) for line in text.splitlines()]


def actions(events: list[dict[str, Any]]) -> list[str]:
    """What happened."""
    return [event["Action"] for event in events]


@pytest.mark.subset
def test_a_whole_life(docker: DockerCli) -> None:
    """Live and afterwards from history, the same events; the attributes are the labels, the name, the image, the code."""
    name = docker.name()
    since = str(time.time())
    with docker.begin("events", "--format", "json", "--since", since, "--filter", f"container={name}") as live:
        docker("run", "--rm", "--label", "a=b", "--name", name, ALPINE, "sh", "-c", "exit 3")
        eventually(lambda: b'"destroy"' in live.out, what="the last event")
        seen = parsed(bytes(live.out).decode())
    until = str(time.time() + 1)

    past = parsed(docker.ok("events", "--format", "json", "--since", since, "--until", until, "--filter", f"container={name}"))

    assert past == seen
    containers = [event for event in seen if event["Type"] == "container"]
    assert [action for action in actions(containers) if action != "attach"] == ["create", "start", "die", "destroy"]
    for event in containers:
        attributes = event["Actor"]["Attributes"]
        assert (attributes["name"], attributes["image"], attributes["a"]) == (name, ALPINE, "b")
        assert event["scope"] == "local"
        assert event["timeNano"] // 10**9 == event["time"]
        assert (event["id"], event["status"], event["from"]) == (event["Actor"]["ID"], event["Action"], ALPINE)
    die = next(event for event in containers if event["Action"] == "die")
    assert die["Actor"]["Attributes"]["exitCode"] == "3"


def test_stop_kill_restart_rename(docker: DockerCli) -> None:
    """In Docker's order, each exactly once."""
    name, other = docker.name(), docker.name()
    since = str(time.time())
    container_id = docker.ok(
        "create", "--name", name, ALPINE, "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"
    )

    def up(times: int) -> None:
        eventually(lambda: docker.ok("logs", container_id).count("up") == times, what="its line")

    docker.ok("start", name)
    up(1)
    docker.ok("restart", "-t", "5", name)
    up(2)
    docker.ok("stop", "-t", "5", name)
    docker.ok("rename", name, other)
    docker.ok("start", other)
    docker.ok("kill", other)
    docker.ok("rm", other)

    until = str(time.time() + 1)
    words = ("--since", since, "--until", until, "--filter", f"container={container_id}", "--filter", "type=container")
    seen = parsed(docker.ok("events", "--format", "json", *words))

    assert actions(seen) == [
        *("create", "start"),
        *("kill", "die", "stop", "start", "restart"),
        *("kill", "die", "stop"),
        *("rename", "start"),
        *("kill", "die", "destroy"),
    ]
    about = [event["Actor"]["Attributes"] for event in seen]
    assert [attributes["exitCode"] for attributes in about if "exitCode" in attributes] == ["7", "7", "137"]
    assert [attributes["signal"] for attributes in about if "signal" in attributes] == ["15", "15", "9"]
    assert next(attributes["oldName"] for attributes in about if "oldName" in attributes) == f"/{name}"


def test_filters(docker: DockerCli) -> None:
    """By label, event, type and image; what does not fit is not shown."""
    name, label = docker.name(), docker.name("label")
    since = str(time.time())
    docker("run", "--rm", "--label", f"which={label}", "--name", name, ALPINE, "true")
    until = str(time.time() + 1)

    def seen(*filters: str) -> list[str]:
        words = [word for text in filters for word in ("--filter", text)]
        return actions(parsed(docker.ok("events", "--format", "json", "--since", since, "--until", until, *words)))

    mine = f"label=which={label}"
    assert seen(mine, "event=start") == ["start"]
    assert seen(mine, "event=die", "event=destroy") == ["die", "destroy"]
    assert seen(mine, "type=network") == []
    assert seen(mine, f"image={ALPINE}", "event=create") == ["create"]
    assert seen(mine, "image=nosuch") == []
    assert seen("label=which=nosuch") == []
    assert seen(f"container={name}", "type=network", "event=connect") in (["connect"], [])


def test_oom_and_failed_starts(docker: DockerCli) -> None:
    """``oom`` comes before ``die``; a start that failed has neither ``start`` nor ``die``."""
    since = str(time.time())
    killed, failed = docker.name(), docker.name()
    docker("run", "-m", "16m", "--name", killed, ALPINE, "tail", "/dev/zero")
    docker("run", "--rm", "--name", failed, ALPINE, "nosuch")
    until = str(time.time() + 1)

    def seen(name: str) -> list[str]:
        words = ("--since", since, "--until", until, "--filter", f"container={name}", "--filter", "type=container")
        return [action for action in actions(parsed(docker.ok("events", "--format", "json", *words))) if action != "attach"]

    assert seen(killed) == ["create", "start", "oom", "die"]
    assert seen(failed) == ["create", "destroy"]


def test_networks_volumes_and_images_have_events(docker: DockerCli) -> None:
    """Create and destroy; pull, tag, untag."""
    since = str(time.time())
    name = docker.name("thing")
    docker.ok("network", "create", name)
    docker.ok("network", "rm", name)
    docker.ok("volume", "create", name)
    docker.ok("volume", "rm", name)
    docker.ok("tag", ALPINE, f"{name}:1")
    docker.ok("rmi", f"{name}:1")
    until = str(time.time() + 1)

    def seen(kind: str) -> list[str]:
        return actions(
            parsed(docker.ok("events", "--format", "json", "--since", since, "--until", until, "--filter", f"type={kind}"))
        )

    assert seen("network") == ["create", "destroy"]
    assert seen("volume") == ["create", "destroy"]
    assert seen("image") == ["tag", "untag"]
