"""Errors by kind, and Docker's own sentences as their subclasses.

A kind says what went wrong in a way that every layer understands; it becomes an HTTP status at one place
(``api/errors.py``) and is made from Kubernetes' answers at another (``kube/errors.py``). A sentence is a subclass
with the text that clients match on; the texts are those of moby's ``daemon`` package::

    KubedockError
    ├── InvalidParameter      400   what was asked makes no sense
    ├── Unauthorized          401   a registry does not take the credentials
    ├── Forbidden             403   a rule or a missing right is in the way
    ├── NotFound              404
    ├── Conflict              409   the state of things is in the way
    ├── NotModified           304   already as asked: ends a request early, carries no text
    ├── NotImplemented        501   Docker has it, kubedock has not
    ├── Unavailable           503   the cluster cannot be reached, or not now
    │   └── GivenUp                 nobody waits for the answer any more
    ├── System                500   everything else, with a sentence
    └── Gone                        a watch's resource version is too old; never leaves ``background``
"""


class KubedockError(Exception):
    """The root: ``str()`` is the sentence that the user reads."""


class InvalidParameter(KubedockError):
    """What was asked makes no sense."""


class Unauthorized(KubedockError):
    """A registry does not take the credentials of a login."""


class Forbidden(KubedockError):
    """A rule, or a right that is missing, is in the way."""


class NotFound(KubedockError):
    """There is no such thing."""


class Conflict(KubedockError):
    """The state of things is in the way."""


class NotModified(KubedockError):
    """It is already as asked."""


class NotImplemented(KubedockError):
    """Docker has it, kubedock has not."""


class Unavailable(KubedockError):
    """The cluster cannot be reached, or not now."""


class GivenUp(Unavailable):
    """The client has left, or the server stops: nobody waits for the answer."""


class System(KubedockError):
    """Anything else that went wrong."""


class Gone(KubedockError):
    """The resource version of a watch or a list is too old (Kubernetes' 410)."""


# --- Docker's sentences ------------------------------------------------------------------------------------------


class NoSuchContainer(NotFound):
    """No container has this id, name or prefix."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"No such container: {ref}")


class NoSuchImage(NotFound):
    """No image of this name or id is known; the text makes clients pull."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"No such image: {ref}")


class WrongPlatform(NotFound):
    """The image is known for another platform; the text makes clients pull it for theirs."""

    def __init__(self, ref: str, wanted: str, actual: str) -> None:
        super().__init__(
            f"image with reference {ref} was found but does not match the specified platform: wanted {wanted}, actual: {actual}"
        )


class NoSuchNetwork(NotFound):
    """No network has this name, id or prefix."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"network {ref} not found")


class NoSuchVolume(NotFound):
    """No volume has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"get {name}: no such volume")


class NoSuchExec(NotFound):
    """No exec instance has this id."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"No such exec instance: {ref}")


class FileNotFound(NotFound):
    """There is no such file in a container; ``why`` it is not known to be there, where that is not the same."""

    def __init__(self, path: str, ref: str, why: str = "") -> None:
        super().__init__(f"Could not find the file {path} in container {ref}" + (f": {why}" if why else ""))


class PortAllocated(System):
    """A port that is to be published is somebody else's."""


class AliasOnPredefined(InvalidParameter):
    """The networks that every engine has know no names."""

    def __init__(self, where: str = "") -> None:
        super().__init__(
            f"{where}invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks"
        )


class CannotPublish(System):
    """The ports of a container cannot be published, so it is not started."""

    def __init__(self, name: str, endpoint_id: str, reason: str) -> None:
        super().__init__(f"driver failed programming external connectivity on endpoint {name} ({endpoint_id}): {reason}")


class AmbiguousReference(InvalidParameter):
    """A prefix fits several ids."""

    def __init__(self, kind: str, ref: str) -> None:
        super().__init__(
            f"multiple IDs found with provided prefix: {ref}"
            if kind == "container"
            else f"{kind} {ref} is ambiguous (several have this prefix)"
        )


class NameTaken(Conflict):
    """The name belongs to another container."""

    def __init__(self, name: str, *, holder: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{holder}".'
            " You have to remove (or rename) that container to be able to reuse that name."
        )


class NotRunning(Conflict):
    """The operation needs a running container."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"container {container_id} is not running")


class Restarting(Conflict):
    """The policy is bringing it back. ``subject`` is ``Container ID`` of an exec, ``container REF`` of an attach."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} is restarting, wait until the container is running")


class CannotKill(Conflict):
    """A signal for a container that does not run."""

    def __init__(self, ref: str, container_id: str) -> None:
        super().__init__(f"cannot kill container: {ref}: container {container_id} is not running")


class CannotRemoveRunning(Conflict):
    """A remove without force of a container that is alive."""

    def __init__(self, name: str, state: str) -> None:
        advice = "unpause and then stop the container" if state == "paused" else "stop the container"
        super().__init__(f'cannot remove container "/{name}": container is {state}: {advice} before removing or force remove')


class RemovalInProgress(Conflict):
    """Somebody else is removing this container."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"removal of container {container_id} is already in progress")


def no_cluster(sentence: str) -> str:
    """What is said where a cluster cannot be used: also how to do without one."""
    return f"{sentence}; to run containers on this machine, without a cluster, use --embedded"
