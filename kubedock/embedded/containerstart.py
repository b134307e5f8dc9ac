"""One try to start a container: its image, what it is to run, its process. Part of the pod's worker."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from kubedock.cluster import Json, Kind
from kubedock.embedded.nodeparts import NodeParts
from kubedock.embedded.podcontainer import PodContainer
from kubedock.embedded.podstatus import START_FAILED, not_started, waiting
from kubedock.embedded.pulls import Pulled, credentials_of
from kubedock.embedded.resolve import ConfigError, Process, Sources, own_fields, process, pull_policy, variables
from kubedock.embedded.runtime import ContainerSpec, Exit, Image, PullError, StartError
from kubedock.embedded.volumes import VolumeError, Volumes, contents

Deliver = Callable[[Callable[[], None]], None]
"""Hands something over to the worker's thread."""


class ContainerStart:
    """Tries for the containers of one pod. All on the worker's thread."""

    def __init__(self, pod: Json, parts: NodeParts, volumes: Volumes, deliver: Deliver) -> None:
        self._pod, self._parts, self._volumes, self._deliver = pod, parts, volumes, deliver
        self.report: Callable[[], None] = lambda: None
        """Tells the store; the worker sets it, and what follows."""
        self.ended: Callable[[PodContainer, str, Exit], None] = lambda *_: None
        self.ip = ""

    def attempt(self, container: PodContainer) -> None:
        """Start it if all that it needs is there; else its status says what is missing, and ``due`` when to try again."""
        image = self._image(container)
        if image is None:
            return
        container.image, container.fresh = image, False
        try:
            sources = self._sources()
            what = process(self._pod["spec"], container.spec, image, sources)
            mounts = self._volumes.mounts(container.spec, variables(container.spec, sources))
        except (ConfigError, VolumeError) as error:
            self._misfit(container, "CreateContainerConfigError", str(error))
            return
        if container.again:
            last = container.status.state if "terminated" in container.status.state else container.status.last
            container.status = replace(container.status, last=last, restarts=container.status.restarts + 1)
            container.again = False
        log = container.next_log()
        spec = self._spec(container, image, what)
        self._start(container, replace(spec, log=log.path, mounts=mounts))

    def _spec(self, container: PodContainer, image: Image, what: Process) -> ContainerSpec:
        spec = container.spec
        return ContainerSpec(
            id=secrets.token_hex(32),
            name=container.name,
            pod_uid=self._pod["metadata"]["uid"],
            image=image,
            argv=what.argv,
            log=container.logs,
            env=what.env,
            cwd=what.cwd,
            user=what.user,
            groups=what.groups,
            tty=bool(spec.get("tty")),
            stdin=bool(spec.get("stdin")),
            stdin_once=bool(spec.get("stdinOnce")),
            limits=what.limits,
            security=what.security,
        )

    # --- the image -----------------------------------------------------------------------------------------------

    def _image(self, container: PodContainer) -> Image | None:
        """The image if it is there; otherwise its pull has begun, or has failed."""
        reference, policy = str(container.spec["image"]), pull_policy(container.spec)
        if container.fresh:
            return container.image
        try:
            present = self._parts.runtime.image(reference)
        except PullError as error:
            self._no_image(container, error.reason, str(error))
            return None
        if present is not None and policy != "Always":
            self._tell(container, "Pulled", f'Container image "{reference}" already present on machine')
            return present
        if policy == "Never":
            text = f'Container image "{reference}" is not present with pull policy of Never'
            self._tell(container, "ErrImageNeverPull", text, warning=True)
            self._no_image(container, "ErrImageNeverPull", text)
            return None
        self._tell(container, "Pulling", f'Pulling image "{reference}"')
        container.pulling = True
        names = [one.get("name", "") for one in self._pod["spec"].get("imagePullSecrets") or ()]
        found = [item for name in names if (item := self._find("Secret", name)) is not None]
        self._parts.pulls.pull(
            reference, credentials_of(found), lambda outcome: self._deliver(lambda: self._pulled(container, outcome))
        )
        return None

    def _pulled(self, container: PodContainer, outcome: Pulled) -> None:
        container.pulling = False
        reference = container.spec["image"]
        if outcome.error is None and outcome.image is not None:
            container.pull_pauses.reset()
            container.image, container.fresh, container.due = outcome.image, True, 0.0
            took = f"{_shown(outcome.seconds)} ({_shown(outcome.waited)} including waiting)"
            size = f"Image size: {outcome.image.size} bytes."
            self._tell(container, "Pulled", f'Successfully pulled image "{reference}" in {took}. {size}')
            return
        error = outcome.error or PullError(f'failed to pull and unpack image "{reference}"')
        self._tell(container, "Failed", f'Failed to pull image "{reference}": {error}', warning=True)
        self._no_image(container, error.reason, str(error))
        if error.reason == "ErrImagePull":
            text = f'Back-off pulling image "{reference}"'
            self._tell(container, "BackOff", text)
            self._tell(container, "Failed", "Error: ImagePullBackOff", warning=True)
            self._wait(container, "ImagePullBackOff", f"{text}: ErrImagePull: {error}")

    def _no_image(self, container: PodContainer, reason: str, text: str) -> None:
        self._tell(container, "Failed", f"Error: {reason}", warning=True)
        self._wait(container, reason, text)
        container.due = time.monotonic() + container.pull_pauses.failed()

    # --- the process ---------------------------------------------------------------------------------------------

    def _start(self, container: PodContainer, spec: ContainerSpec) -> None:
        shown_id = f"{self._parts.runtime.name}://{spec.id}"
        self._tell(container, "Created", f"Created container: {container.name}")
        try:
            self._parts.runtime.start(spec, lambda ended: self._deliver(lambda: self.ended(container, spec.id, ended)))
        except StartError as error:
            self._parts.runtime.remove(spec.id)
            if error.reason != "StartError":
                self._misfit(container, error.reason, str(error))
                return
            self._tell(container, "Failed", f"Error: {error}", warning=True)
            container.id, container.started_at = spec.id, None
            container.status = replace(
                container.status,
                state=not_started(str(error), self._parts.now(), shown_id),
                container_id=shown_id,
                image_id=spec.image.image_id,
            )
            self.ended(container, spec.id, Exit(START_FAILED, self._parts.now()))
            return
        began = self._parts.now()
        container.id = spec.id
        container.config_pauses.reset()
        container.status = replace(
            container.status, state=container.running_state(began), begun=True, container_id=shown_id, image_id=spec.image.image_id
        )
        self.report()
        told = f"Started container {container.name}"
        self._parts.events.tell(self._pod, "Started", told, container=container.path, at=began)

    def _misfit(self, container: PodContainer, reason: str, text: str) -> None:
        """It cannot be made from its manifest: what it needs may come."""
        self._tell(container, "Failed", f"Error: {text}", warning=True)
        self._wait(container, reason, text)
        container.due = time.monotonic() + container.config_pauses.failed()

    def _wait(self, container: PodContainer, reason: str, text: str) -> None:
        container.status = replace(container.status, state=waiting(reason, text))
        self.report()

    # --- what it is made of --------------------------------------------------------------------------------------

    def _sources(self) -> Sources:
        return Sources(self._data, own_fields(self._pod, self.ip))

    def _data(self, kind: str, name: str) -> Mapping[str, str] | None:
        item = self._find("Secret" if kind == "Secret" else "ConfigMap", name)
        return None if item is None else {key: value.decode(errors="replace") for key, value in contents(item).items()}

    def _find(self, kind: Kind, name: str) -> Json | None:
        return self._parts.store.peek(kind, name)

    def _tell(self, container: PodContainer, reason: str, text: str, *, warning: bool = False) -> None:
        self._parts.events.tell(self._pod, reason, text, container=container.path, warning=warning)


def _shown(seconds: float) -> str:
    """A duration as Go prints it, to the millisecond."""
    return f"{round(seconds * 1000)}ms" if seconds < 1 else f"{seconds:.3f}s"
