"""Where the cluster is and who we are there, by the official client's own rules (kubeconfig, in-cluster, plug-ins).

Of the client, ``Configuration``, ``ApiClient`` and ``config`` are used and nothing else: its models are slow to import
and strict, its streams patch shared state. It is imported when it is needed, which takes a quarter of a second.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubedock.errors import InvalidParameter, Unavailable

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
USUAL_KUBECONFIG = "~/.kube/config"
DEFAULT_NAMESPACE = "default"
POOL_SIZE = 64


class Client:
    """An ApiClient, of which the pool and the credentials are used."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self.pool: Any = api.rest_client.pool_manager
        self.host: str = api.configuration.host
        self.user_agent = "kubedock"

    def authorize(self, method: str, path: str) -> tuple[str, Mapping[str, str]]:
        """The URL of a path and the headers with credentials, refreshed where they have expired. Not for two threads at once.

        Unavailable when they cannot be refreshed (a token file that is being replaced).
        """
        from kubernetes.config import ConfigException  # noqa: PLC0415

        try:
            _, url, headers, *_ = self._api.param_serialize(method, path, auth_settings=["BearerToken"])
        except (ConfigException, OSError) as error:
            raise Unavailable(f"the credentials for the cluster cannot be read: {error}") from error
        return url, {name: value for name, value in headers.items() if name.lower() != "user-agent"}


class Source:
    """A configuration that can be read again and again."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        """``kubeconfig`` is None for the one around this pod."""
        self._kubeconfig, self._context = kubeconfig, context

    def client(self) -> Client:
        """Read it: InvalidParameter with a sentence when it cannot be used."""
        from kubernetes.client import ApiClient, Configuration  # noqa: PLC0415 - see the module's docstring
        from kubernetes.config import ConfigException, load_incluster_config, load_kube_config  # noqa: PLC0415
        from kubernetes.utils.keepalive import tcp_keepalive_socket_options  # noqa: PLC0415
        from yaml import YAMLError  # noqa: PLC0415

        configuration = Configuration()
        try:
            if self._kubeconfig is None:
                load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                chosen = {"config_file": self._kubeconfig, "context": self._context, "persist_config": False}
                load_kube_config(client_configuration=configuration, **chosen)  # type: ignore[no-untyped-call]
        except (ConfigException, YAMLError, OSError, ValueError, TypeError, KeyError) as error:
            raise _unusable(error) from error
        configuration.connection_pool_maxsize = POOL_SIZE
        configuration.retries = False
        configuration.socket_options = tcp_keepalive_socket_options(idle=30, interval=10, count=3)
        try:
            return Client(ApiClient(configuration))
        except OSError as error:
            raise _unusable(error) from error

    def namespace(self) -> str:
        """The context's namespace, the pod's own, or "default"."""
        if self._kubeconfig is None:
            try:
                return (SERVICE_ACCOUNT / "namespace").read_text().strip() or DEFAULT_NAMESPACE
            except OSError:
                return DEFAULT_NAMESPACE
        from kubernetes.config import ConfigException, list_kube_config_contexts  # noqa: PLC0415
        from yaml import YAMLError  # noqa: PLC0415

        try:
            contexts, current = list_kube_config_contexts(self._kubeconfig)  # type: ignore[no-untyped-call]
        except (ConfigException, YAMLError, OSError, ValueError, TypeError, KeyError) as error:
            raise _unusable(error) from error
        chosen = next((each for each in contexts if each["name"] == self._context), current) if self._context else current
        return str((chosen.get("context") or {}).get("namespace") or DEFAULT_NAMESPACE)


def find(kubeconfig: str | None, context: str | None) -> Source:
    """The given kubeconfig; else the one around this pod where its service account is mounted; else the usual file."""
    if kubeconfig:
        missing = [part for part in kubeconfig.split(os.pathsep) if part and not Path(part).expanduser().exists()]
        if len(missing) == len([part for part in kubeconfig.split(os.pathsep) if part]):
            raise InvalidParameter(f"kubeconfig {kubeconfig} does not exist")
        return Source(kubeconfig, context)
    if (SERVICE_ACCOUNT / "token").exists() and context is None:
        return Source(None, None)
    if not Path(USUAL_KUBECONFIG).expanduser().exists():
        raise InvalidParameter(
            "no cluster is configured: give --kubeconfig (or KUBECONFIG), or run in a pod with a service account"
        )
    return Source(USUAL_KUBECONFIG, context)


def _unusable(error: Exception) -> InvalidParameter:
    """One line of whatever a library says."""
    return InvalidParameter(f"the configuration of the cluster cannot be used: {' '.join(str(error).split())}")
