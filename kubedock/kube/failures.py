"""Why a container does not start, in Docker's words, from what the kubelet says. Pure."""

import re
from collections.abc import Sequence

from kubedock.domain import image
from kubedock.domain.status import Failure
from kubedock.errors import InvalidParameter
from kubedock.notstarted import COMMAND_NOT_FOUND, start_code

START_FAILED = 128
"""Docker's exit code of a start that failed for any other reason."""

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed"}
)
START_REASONS = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})
CONFIG_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "PreStartHookError", "PostStartHookError"}
)

_DENIED = re.compile(r"denied|unauthorized|forbidden|insufficient_scope|authorization failed", re.IGNORECASE)
_MISSING = re.compile(r"not found|manifest unknown|name unknown|NotFound\b", re.IGNORECASE)
_NO_HOST = re.compile(r"no such host|server misbehaving|dial tcp|i/o timeout|x509:", re.IGNORECASE)
_RPC = re.compile(r"^(?:Failed to pull image \"[^\"]*\": )?(?:rpc error: code = \w+ desc = )?")
_WRAPPING = re.compile(
    r"^(?:(?:failed to pull and unpack image|failed to resolve reference|failed to resolve image) \"[^\"]*\": )*"
    r"(?:pull access denied, repository does not exist or may require authorization(?:: |$)(?:server message: )?)?"
)
_THAT_MISSING = re.compile(r"(\S+): not found")
_LONGEST = 512
_BACK_OFF = re.compile(r"^Back-off pulling image \"[^\"]*\"(?:: \w+)?(?:: )?")
_BAD_NAME = re.compile(r"(invalid reference format.*)", re.DOTALL)
_POD = re.compile(r" \(pod: \".*?\", container: [^)]*\)")
_TRANSIENT = re.compile(r"failed to sync .* cache|context deadline exceeded|failed to reserve container name|is reserved for")
_PREEMPTION = re.compile(r"\s*(?:no new claims to deallocate, )?preemption:.*$", re.DOTALL)
_TASK = re.compile(r"^failed to (?:create|start) containerd task(?: \"[^\"]*\")?: ")
_CREATE_TASK = "failed to create task for container: "


def image_failure(reference: str, reason: str, message: str, *, causes: Sequence[str] = (), attempts: int = 0) -> Failure:
    """An image that cannot be had.

    ``causes`` are what events told of earlier tries (older kubelets do not repeat it in the status), ``attempts`` how
    many tries have failed. What the registry says for certain is permanent at once, all else from the second try on.
    Its sentence begins as Docker's, which clients look for, with the name that the user has written (``reference``).
    """
    if reason == "InvalidImageName":
        found = _BAD_NAME.search(message)
        return Failure("image", found[1] if found else message)
    if reason == "ErrImageNeverPull":
        return Failure("image", message or f"No such image: {reference}", missing=True)
    texts = (_BACK_OFF.sub("", message), *reversed(causes))
    text = next((_RPC.sub("", text) for text in texts if _RPC.sub("", text)), message or reason)
    raw = next((text for text in texts if text), "")
    if _NO_HOST.search(text) is None:
        if _DENIED.search(text):
            return Failure("image", _with_cause(_denied(reference), text, reference), missing=True)
        if _MISSING.search(raw):
            return Failure("image", _with_cause(_unknown(reference), text, reference), missing=True)
    return Failure("image", text, permanent=attempts > 1 or reason == "SignatureValidationFailed")


def _with_cause(sentence: str, text: str, reference: str) -> str:
    """Docker's sentence, and behind it what the registry has said where that is more."""
    said = _WRAPPING.sub("", text).strip()[:_LONGEST]
    named = _THAT_MISSING.fullmatch(said)
    known = said in sentence or (named is not None and _familiar(named[1]) == _familiar(reference))
    return sentence if known else f"{sentence}: {said}"


def _familiar(reference: str) -> str:
    try:
        return image.parse(reference).familiar
    except InvalidParameter:
        return reference


def _denied(reference: str) -> str:
    try:
        name = image.parse(reference).familiar_name
    except InvalidParameter:
        name = reference
    return (
        f"pull access denied for {name}, repository does not exist or may require 'docker login':"
        " denied: requested access to the resource is denied"
    )


def _unknown(reference: str) -> str:
    return f"manifest for {_familiar(reference)} not found: manifest unknown: manifest unknown"


def start_failure(message: str) -> Failure:
    """A process that the runtime could not start: the runtime's text behind Docker's words, and Docker's exit code."""
    text = _TASK.sub("", message.removeprefix("Error: "))
    text = text if text.startswith(_CREATE_TASK) else _CREATE_TASK + (text or "the container runtime gave no reason")
    return Failure("start", text, exit_code=start_code(text) or START_FAILED)


def config_failure(reason: str, message: str) -> Failure:
    """A container that the kubelet cannot make from its manifest."""
    text = _POD.sub("", message) or reason
    if reason == "CreateContainerError" and "executable file" in text and start_code(text) == COMMAND_NOT_FOUND:
        return start_failure(text)  # CRI-O looks for the program when it makes the container
    if "runAsNonRoot" in text or "is non-root" in text or "non-root policy" in text:
        text += ": the pod may not run as root (Pod Security restricted): name another user by its number"
    return Failure("config", text, permanent=_TRANSIENT.search(text) is None, exit_code=START_FAILED)


def unschedulable(message: str) -> Failure:
    """No node takes the pod: the scheduler's message without what it says of preemption."""
    text = _PREEMPTION.sub("", message)
    return Failure("unschedulable", f"no node can run the container: {text}", permanent=False, exit_code=START_FAILED)


def refused(reason: str, message: str) -> Failure:
    """The node took the pod and then refused to run it."""
    return Failure(
        "config", f"the node refused the container: {': '.join(filter(None, (reason, message)))}", exit_code=START_FAILED
    )


def trouble(message: str) -> Failure:
    """Something that the kubelet tries again: a volume that cannot be mounted, a sandbox that cannot be made."""
    return Failure("config", message, permanent=False, exit_code=START_FAILED)
