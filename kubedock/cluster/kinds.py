"""The kinds of objects that kubedock uses, and what the API calls them."""

from types import MappingProxyType
from typing import NamedTuple

from kubedock.cluster.protocol import Kind


class Resource(NamedTuple):
    """How the API names a kind: ``group`` is "" for the core, ``plural`` stands in paths, rights and error texts."""

    kind: Kind
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """An object's ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name in error texts: ``pods``, ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


RESOURCES = MappingProxyType(
    {
        resource.kind: resource
        for resource in (
            Resource("Pod", "pods"),
            Resource("Deployment", "deployments", "apps"),
            Resource("Event", "events"),
            Resource("ConfigMap", "configmaps"),
            Resource("Secret", "secrets"),
            Resource("Service", "services"),
            Resource("EndpointSlice", "endpointslices", "discovery.k8s.io"),
            Resource("ServiceAccount", "serviceaccounts"),
            Resource("Namespace", "namespaces", namespaced=False),
            Resource("Node", "nodes", namespaced=False),
            Resource("SelfSubjectAccessReview", "selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False),
        )
    }
)
