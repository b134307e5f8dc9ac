"""The manifests of kubedock itself, as YAML for ``kubectl apply``: the least Role, a sidecar, a Deployment. Pure."""

from typing import Literal

from kubedock.kube.rights import RIGHTS, Right

Which = Literal["role", "sidecar", "deployment"]

_ACCOUNT = """\
# The rights that kubedock needs, all of them in this namespace.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: kubedock
  namespace: {namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: kubedock
  namespace: {namespace}
rules:
{rules}\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: kubedock
  namespace: {namespace}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: kubedock
subjects:
  - kind: ServiceAccount
    name: kubedock
    namespace: {namespace}
"""

_RULE = """\
  # {purpose}
  - apiGroups: ["{group}"]
    resources: ["{resource}"]
    verbs: [{verbs}]
"""

_SECURITY = """\
securityContext:
  # Any user id will do. Leave runAsUser out where the cluster chooses one (OpenShift).
  runAsUser: 65532
  runAsNonRoot: true
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
resources:
  requests:
    cpu: 50m
    memory: 128Mi
volumeMounts:
  - name: tmp
    mountPath: /tmp
"""

_SIDECAR = """\
---
# A job of a CI system: its container finds Docker at DOCKER_HOST. kubedock serves beside it, for this pod alone, begins
# before it and is ended after it (an init container that goes on: Kubernetes 1.29 or newer).
apiVersion: v1
kind: Pod
metadata:
  name: kubedock-sidecar
  namespace: {namespace}
spec:
  serviceAccountName: kubedock
  restartPolicy: Never
  terminationGracePeriodSeconds: 20
  initContainers:
    - name: kubedock
      image: {image}
      restartPolicy: Always
      args: [server, --listen-addr, "127.0.0.1:8999"]
      startupProbe:
        exec:
          command: [python3, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:8999/_ping')"]
        periodSeconds: 1
        failureThreshold: 60
{security}\
  containers:
    - name: job
      image: docker:cli
      command: [docker, run, --rm, alpine, echo, hi]
      env:
        - name: DOCKER_HOST
          value: tcp://127.0.0.1:8999
  volumes:
    - name: tmp
      emptyDir: {{}}
"""

_DEPLOYMENT = """\
---
# kubedock for others: DOCKER_HOST=tcp://kubedock.{namespace}:8999
# Whoever reaches this address can run containers in the namespace: let a NetworkPolicy say who may.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: kubedock
  namespace: {namespace}
spec:
  # One only: what a kubedock knows of its containers is its own.
  replicas: 1
  strategy:
    type: Recreate
  selector:
    matchLabels:
      app.kubernetes.io/name: kubedock
  template:
    metadata:
      labels:
        app.kubernetes.io/name: kubedock
    spec:
      serviceAccountName: kubedock
      terminationGracePeriodSeconds: 20
      containers:
        - name: kubedock
          image: {image}
          args: [server, --listen-addr, ":8999"]
          ports:
            - name: docker
              containerPort: 8999
          readinessProbe:
            httpGet:
              path: /_ping
              port: docker
{security}\
      volumes:
        - name: tmp
          emptyDir: {{}}
---
apiVersion: v1
kind: Service
metadata:
  name: kubedock
  namespace: {namespace}
spec:
  selector:
    app.kubernetes.io/name: kubedock
  ports:
    - name: docker
      port: 8999
      targetPort: docker
"""


def manifests(which: Which, *, image: str, namespace: str) -> str:
    """YAML documents: the Role with its ServiceAccount, and on request what runs under it."""
    account = _ACCOUNT.format(namespace=namespace, rules="".join(map(_rule, RIGHTS)))
    if which == "sidecar":
        return account + _SIDECAR.format(namespace=namespace, image=image, security=_indented(_SECURITY, 6))
    if which == "deployment":
        return account + _DEPLOYMENT.format(namespace=namespace, image=image, security=_indented(_SECURITY, 10))
    return account


def _rule(right: Right) -> str:
    purpose = right.purpose + (" (kubedock works without)" if right.optional else "")
    return _RULE.format(purpose=purpose, group=right.group, resource=right.resource, verbs=", ".join(right.verbs))


def _indented(text: str, columns: int) -> str:
    return "".join(" " * columns + line for line in text.splitlines(keepends=True))
