"""Kubernetes' Pod Security level "restricted": what it demands, and how its denial reads.

``--pod-security restricted`` adds the demands to every pod, ``auto`` once the API server has denied a pod for the lack
of them (``is_pod_security_denial``), ``baseline`` never. What Docker was asked for is left alone where it contradicts the
level (privileged, a capability): the API server then says so, and that is the answer.
"""

import re
from typing import Literal

from kubedock.cluster import Json
from kubedock.kube.template import merge

PodSecurity = Literal["auto", "baseline", "restricted"]

_DENIAL = re.compile(r'violates PodSecurity "restricted:')


def is_pod_security_denial(message: str) -> bool:
    """The API server denied a pod (403) for what ``restricted`` can add; a denial by another level is not one."""
    return _DENIAL.search(message) is not None


def restricted(spec: Json) -> Json:
    """A pod's spec with what the level demands of the pod and of each of its containers."""
    found = {**spec, "containers": [_container(one) for one in spec["containers"]]}
    if spec.get("initContainers"):
        found["initContainers"] = [_container(one) for one in spec["initContainers"]]
    demanded = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {**found, "securityContext": merge(demanded, spec.get("securityContext", {}))}


def _container(container: Json) -> Json:
    asked = container.get("securityContext", {})
    demanded: Json = {"capabilities": {"drop": ["ALL"]}}
    if not asked.get("privileged"):  # the API server refuses the pair as malformed, which would hide the reason
        demanded["allowPrivilegeEscalation"] = False
    merged = merge(demanded, asked)
    merged["capabilities"]["drop"] = ["ALL"]  # whatever else was to be dropped is in it
    return {**container, "securityContext": merged}
