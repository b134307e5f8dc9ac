"""What a cluster takes as an object and what it refuses: the same over the cluster in memory, the embedded and a real one."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubedock.cluster import Cluster, Kind
from kubedock.errors import Conflict, InvalidParameter, NotFound, Unavailable
from tests.support.waiting import eventually

pytestmark = pytest.mark.parametrize(
    "cluster", ["memory", "embedded", pytest.param("real", marks=pytest.mark.cluster)], indirect=True
)
"""What runs the pods is all the same here."""

Json = dict[str, Any]
MAIN = {"name": "main", "image": "alpine", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "100"]}
MOUNT = {"name": "v", "mountPath": "/v"}
A_VOLUME = [{"name": "v", "emptyDir": {}}]


def a_pod(main: Json | None = None, meta: Json | None = None, **spec: Any) -> Json:
    """A pod."""
    return {"metadata": {"name": "bad", **(meta or {})}, "spec": {"containers": [{**MAIN, **(main or {})}], **spec}}


def a_deployment(meta: Json | None = None, pod: Json | None = None, **spec: Any) -> Json:
    """A Deployment of no pods."""
    template = {"metadata": {"labels": {"a": "b"}, **(meta or {})}, "spec": {"containers": [MAIN], **(pod or {})}}
    return {
        "metadata": {"name": "bad"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }


def a_service(*ports: Json, **spec: Any) -> Json:
    """A Service."""
    return {"metadata": {"name": "bad"}, "spec": {"ports": list(ports), **spec}}


def a_slice(*endpoints: Json, type_: Any = "IPv4") -> Json:
    """An EndpointSlice."""
    return {"metadata": {"name": "bad"}, "addressType": type_, "endpoints": list(endpoints)}


def data(**fields: Any) -> Json:
    """A ConfigMap or a Secret."""
    return {"metadata": {"name": "bad"}, **fields}


WRONG_TYPES: list[tuple[Kind, Json, str]] = [
    ("Pod", a_pod(terminationGracePeriodSeconds="5"), "string into Go struct field PodSpec.spec.terminationGracePeriodSeconds"),
    ("Pod", a_pod(terminationGracePeriodSeconds=1.5), "number 1.5 into Go struct field PodSpec.spec.terminationGracePeriod"),
    ("Pod", a_pod(activeDeadlineSeconds="5"), "PodSpec.spec.activeDeadlineSeconds of type int64"),
    ("Pod", a_pod(activeDeadlineSeconds=True), "bool into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64"),
    ("Pod", a_pod(restartPolicy=5), "number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
    ("Pod", a_pod(containers={}), "object into Go struct field PodSpec.spec.containers of type []v1.Container"),
    ("Pod", a_pod(containers=["x"]), "string into Go struct field PodSpec.spec.containers of type v1.Container"),
    ("Pod", a_pod({"command": "sleep 5"}), "string into Go struct field Container.spec.containers.command of type []string"),
    ("Pod", a_pod({"env": [{"name": "A", "value": 5}]}), "number into Go struct field EnvVar.spec.containers.env.value of type s"),
    ("Pod", a_pod({"ports": [{"containerPort": 1 << 40}]}), "1099511627776 into Go struct field ContainerPort.spec.containers.po"),
    ("Pod", a_pod({"tty": "yes"}), "string into Go struct field Container.spec.containers.tty of type bool"),
    ("Pod", a_pod(meta={"labels": {"a": 5}}), "number into Go struct field ObjectMeta.metadata.labels of type string"),
    ("Pod", a_pod(meta={"labels": []}), "array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
    ("Pod", {"metadata": {"name": "bad"}, "spec": "x"}, "string into Go struct field Pod.spec of type v1.PodSpec"),
    (
        "Pod",
        a_pod({"securityContext": {"capabilities": {"add": "NET_ADMIN"}}}),
        "Capabilities.spec.containers.securityContext.capabilities.add of type []v1.Capability",
    ),
    ("Pod", a_pod(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "much"}}]), "quantities must match the regular expression"),
    ("Pod", a_pod({"resources": {"limits": {"memory": "5x"}}}), "quantities must match the regular expression"),
    ("Deployment", a_deployment(replicas="1"), "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
    (
        "Deployment",
        a_deployment(pod={"terminationGracePeriodSeconds": "5"}),
        "PodSpec.spec.template.spec.terminationGracePeriodSeconds of type int64",
    ),
    ("Service", a_service({"port": "1"}), "string into Go struct field ServicePort.spec.ports.port of type int32"),
    ("EndpointSlice", a_slice({"addresses": "10.1.2.3"}), "Endpoint.endpoints.addresses of type []string"),
    ("ConfigMap", data(data={"a": 5}), "number into Go struct field ConfigMap.data of type string"),
    ("ConfigMap", data(binaryData={"a": 5}), "number into Go struct field ConfigMap.binaryData of type []uint8"),
    ("ConfigMap", data(binaryData={"a": "!!!!"}), "illegal base64 data at input byte 0"),
    ("Secret", data(data={"a": "AAA"}), "illegal base64 data at input byte 0"),
]


@pytest.mark.parametrize(("kind", "manifest", "text"), WRONG_TYPES, ids=[text[-50:] for *_, text in WRONG_TYPES])
def test_values_of_a_wrong_type_are_refused(cluster: Cluster, kind: Kind, manifest: Json, text: str) -> None:
    """With the field and its type."""
    with pytest.raises(InvalidParameter) as raised:
        cluster.create(kind, manifest)

    assert str(raised.value).startswith(f'{kind} in version "v1" cannot be handled as a {kind}: ')
    assert text in str(raised.value)


REFUSED: list[tuple[Kind, Json, str]] = [
    (
        "Pod",
        a_pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    ),
    ("Pod", a_pod(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "-5"}}]), "spec.volumes[0].emptyDir.sizeLimit: Forbidden: "),
    (
        "Pod",
        a_pod(volumes=[{"name": "v", "hostPath": {"path": "/x", "type": "Fil"}}]),
        'spec.volumes[0].hostPath.type: Unsupported value: "Fil": supported values: "", "BlockDevice", "CharDevice", "Directory"',
    ),
    ("Pod", a_pod(volumes=[{"name": "v", "hostPath": {"path": "/x/../y"}}]), 'hostPath.path: Invalid value: "/x/../y": must'),
    ("Pod", a_pod(volumes=[{"name": "v", "configMap": {}}]), "spec.volumes[0].configMap.name: Required value"),
    (
        "Pod",
        a_pod(volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": 0o1000}}]),
        "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
    ),
    (
        "Pod",
        a_pod(volumes=[{"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "../p"}]}}]),
        "spec.volumes[0].secret.items[0].path: Invalid value: \"../p\": must not contain '..'",
    ),
    (
        "Pod",
        a_pod({"volumeMounts": [{**MOUNT, "subPath": "../x"}]}, volumes=A_VOLUME),
        "spec.containers[0].volumeMounts.subPath: Invalid value: \"../x\": must not contain '..'",
    ),
    (
        "Pod",
        a_pod({"volumeMounts": [{**MOUNT, "subPathExpr": "/x"}]}, volumes=A_VOLUME),
        'spec.containers[0].volumeMounts.subPathExpr: Invalid value: "/x": must be a relative path',
    ),
    (
        "Pod",
        a_pod({"volumeMounts": [{**MOUNT, "subPath": "x", "subPathExpr": "y"}]}, volumes=A_VOLUME),
        'spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: "y": subPathExpr and subPath are mutually exclusive',
    ),
    ("Pod", a_pod(dnsPolicy="None"), "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
    ("Pod", a_pod(dnsPolicy="None", dnsConfig={"searches": ["a"]}), "spec.dnsConfig.nameservers: Required value: must provide"),
    ("Pod", a_pod(dnsConfig={"nameservers": ["x"]}), 'spec.dnsConfig.nameservers[0]: Invalid value: "x": must be a valid IP'),
    ("Pod", a_pod(dnsPolicy="Some"), 'spec.dnsPolicy: Unsupported value: "Some": supported values: "ClusterFirstWithHostNet", '),
    ("Pod", a_pod(hostAliases=[{"ip": "x", "hostnames": ["a"]}]), 'spec.hostAliases[0].ip: Invalid value: "x": must be a valid I'),
    (
        "Pod",
        a_pod({"ports": [{"containerPort": 80, "protocol": "tcp"}]}),
        'spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"',
    ),
    (
        "Pod",
        a_pod({"imagePullPolicy": "Now"}),
        'spec.containers[0].imagePullPolicy: Unsupported value: "Now": supported values: "Always", "IfNotPresent", "Never"',
    ),
    (
        "Pod",
        a_pod({"securityContext": {"runAsUser": -1}}),
        "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ),
    ("Pod", a_pod(securityContext={"supplementalGroups": [-1]}), "spec.securityContext.supplementalGroups[0]: Invalid value: -1"),
    ("Pod", a_pod({"env": [{"name": "A", "valueFrom": {}}]}), 'env[0].valueFrom: Invalid value: "": must specify one of: `fie'),
    (
        "Pod",
        a_pod({"resources": {"limits": {"memory": "-5"}}}),
        'spec.containers[0].resources.limits[memory]: Invalid value: "-5": must be greater than or equal to 0',
    ),
    ("Pod", a_pod(meta={"labels": {"A_b/c": "d"}}), 'metadata.labels: Invalid value: "A_b/c": prefix part a lowercase RFC 1123'),
    ("Pod", a_pod(meta={"labels": {"/c": "d"}}), 'metadata.labels: Invalid value: "/c": prefix part must be non-empty'),
    ("Pod", a_pod(meta={"labels": {"a/b/c": "d"}}), 'metadata.labels: Invalid value: "a/b/c": a qualified name must consist of'),
    ("Pod", a_pod(meta={"annotations": {"c d": "e"}}), 'metadata.annotations: Invalid value: "c d": name part must consist of'),
    ("Deployment", a_deployment(replicas=-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    (
        "Deployment",
        a_deployment({"labels": {"a": "b", "c": "not good"}}),
        'spec.template.labels: Invalid value: "not good": a valid label must be an empty string or consist of',
    ),
    ("Deployment", a_deployment({"annotations": {"c d": "e"}}), 'spec.template.annotations: Invalid value: "c d": name part must'),
    ("Service", a_service({"port": 1, "protocol": "tcp"}), 'spec.ports[0].protocol: Unsupported value: "tcp": supported values: '),
    ("Service", a_service({"port": 1, "name": "A"}), 'spec.ports[0].name: Invalid value: "A": a lowercase RFC 1123 label'),
    ("Service", a_service({"port": 1}, selector={"a": "not good"}), 'spec.selector: Invalid value: "not good": a valid label must'),
    ("EndpointSlice", a_slice({"addresses": ["x"]}), 'endpoints[0].addresses[0]: Invalid value: "x": must be a valid IP address'),
    ("EndpointSlice", a_slice({"addresses": ["2001:db8::1"]}), 'addresses: Invalid value: "2001:db8::1": must be an IPv4 address'),
    ("EndpointSlice", a_slice({"addresses": []}), "endpoints[0].addresses: Required value: must contain at least 1 address"),
    ("EndpointSlice", a_slice(type_="IPv5"), 'addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"'),
    ("EndpointSlice", a_slice(type_=None), "addressType: Required value"),
    ("ConfigMap", data(binaryData={"a/b": ""}), 'binaryData[a/b]: Invalid value: "a/b": a valid config key must consist of'),
    ("Secret", data(stringData={"a/b": ""}), 'data[a/b]: Invalid value: "a/b": a valid config key must consist of'),
]


@pytest.mark.parametrize(("kind", "manifest", "text"), REFUSED, ids=[text[:50] for *_, text in REFUSED])
def test_what_makes_no_sense_is_refused(cluster: Cluster, kind: Kind, manifest: Json, text: str) -> None:
    """With the object, the field and the fault; nothing of it stays."""
    subject = {"Deployment": "Deployment.apps", "EndpointSlice": "EndpointSlice.discovery.k8s.io"}.get(kind, kind)

    with pytest.raises(InvalidParameter) as raised:
        cluster.create(kind, manifest)

    assert str(raised.value).startswith(f'{subject} "bad" is invalid: ')
    assert text in str(raised.value)
    with pytest.raises(NotFound):
        cluster.get(kind, "bad")


def test_null_is_what_is_not_there(cluster: Cluster, label: str) -> None:
    """Of a field the default; of a value in a map the empty one."""
    meta = {"name": f"n-{label}", "labels": {"test": label}, "annotations": None}
    pod = cluster.create(
        "Pod",
        {
            "metadata": meta,
            "spec": {
                "containers": [{**MAIN, "env": None, "command": ["sleep", "100"]}],
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": None,
                "activeDeadlineSeconds": None,
                "restartPolicy": None,
                "volumes": [{"name": "v"}, {"name": "w", "emptyDir": None}],
            },
        },
    )["spec"]
    deployment = cluster.create("Deployment", {**a_deployment(replicas=None, paused=True), "metadata": meta})["spec"]
    cluster.patch("Deployment", meta["name"], {"spec": {"replicas": 0}})
    again = cluster.patch("Deployment", meta["name"], {"spec": {"replicas": None}})["spec"]
    cluster.delete("Deployment", meta["name"])

    assert (pod["terminationGracePeriodSeconds"], pod["restartPolicy"], pod.get("activeDeadlineSeconds")) == (30, "Always", None)
    assert pod["volumes"] == [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}]
    assert (deployment["replicas"], again["replicas"]) == (1, 1)
    assert cluster.create("ConfigMap", {"metadata": meta, "data": {"a": None}})["data"] == {"a": ""}


def test_an_object_without_rules_is_taken_as_it_is(cluster: Cluster, label: str) -> None:
    """Of what no user gives here."""
    name, about = f"e-{label}", {"kind": "Pod", "name": "nosuch", "namespace": cluster.namespace}
    event = {"metadata": {"name": name}, "involvedObject": about, "reason": "Tested", "message": "yes", "type": "Normal"}

    cluster.create("Event", event)

    found = cluster.get("Event", name)
    cluster.delete("Event", name)
    assert (found["reason"], found["message"], found["involvedObject"]) == ("Tested", "yes", about)


def test_less_than_no_time_is_a_second(cluster: Cluster, label: str) -> None:
    """To end in."""
    manifest = a_pod(meta={"name": f"n-{label}", "labels": {"test": label}}, terminationGracePeriodSeconds=-5)

    assert cluster.create("Pod", manifest)["spec"]["terminationGracePeriodSeconds"] == 1


def test_an_object_of_another_kind_is_refused(cluster: Cluster) -> None:
    """What it says that it is has to fit where it is sent to."""
    for change in ({"kind": "Service"}, {"apiVersion": "v2"}):
        with pytest.raises(InvalidParameter):
            cluster.create("Pod", a_pod() | change)
    with pytest.raises(NotFound):
        cluster.get("Pod", "bad")


@pytest.mark.parametrize("stem", ["d" * 200, "some-"], ids=["long", "short"])
def test_a_generated_name_is_a_label(cluster: Cluster, label: str, stem: str) -> None:
    """However long what it begins with is."""
    made = [cluster.create("ConfigMap", {"metadata": {"generateName": stem, "labels": {"test": label}}}) for _ in range(2)]

    first, second = (item["metadata"]["name"] for item in made)
    assert first != second
    assert {name[: len(stem[:58])] for name in (first, second)} == {stem[:58]}
    assert {len(first), len(second)} == {len(stem[:58]) + 5}


def test_the_pods_of_a_deployment_with_a_long_name(cluster: Cluster, label: str) -> None:
    """Have names that are labels all the same."""
    labels = {"test": label}
    name = f"{'d' * 200}-{label}"
    manifest = a_deployment({"labels": labels}, replicas=1, selector={"matchLabels": labels})

    cluster.create("Deployment", {**manifest, "metadata": {"name": name, "labels": labels}})

    (pod,) = eventually(lambda: cluster.list("Pod", selector=f"test={label}").items)
    assert pod["metadata"]["name"][:58] == name[:58]
    assert len(pod["metadata"]["name"]) == 63


# --- patches ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(cluster: Cluster, label: str) -> Iterator[Callable[..., str]]:
    """Create an object; its name. All go at the end."""
    those: list[tuple[Kind, str]] = []

    def create(kind: Kind, manifest: Json) -> str:
        name = f"o-{secrets.token_hex(4)}"
        cluster.create(kind, {**manifest, "metadata": {"name": name, "labels": {"test": label}}})
        those.append((kind, name))
        return name

    yield create
    for kind, name in those:
        cluster.delete(kind, name, grace=0)


CHANGES: list[tuple[Kind, Json, Json, str]] = [
    ("Deployment", a_deployment(), {"spec": {"replicas": -1}}, "spec.replicas: Invalid value: -1: "),
    (
        "Deployment",
        a_deployment(),
        {"spec": {"template": {"spec": {"containers": []}}}},
        "template.spec.containers: Required value",
    ),
    (
        "Deployment",
        a_deployment(),
        {"spec": {"template": {"metadata": {"labels": {"a": "c"}}}}},
        "spec.template.metadata.labels: Invalid value: ",
    ),
    ("Deployment", a_deployment(), {"spec": {"selector": {"matchLabels": {"a": "c"}}}}, "field is immutable"),
    ("Service", a_service({"port": 1}), {"spec": {"ports": [{"port": 0}]}}, "spec.ports[0].port: Invalid value: 0: must be"),
    ("EndpointSlice", a_slice(), {"endpoints": [{"addresses": []}]}, "endpoints[0].addresses: Required value"),
    (
        "EndpointSlice",
        a_slice(),
        {"endpoints": [{"addresses": ["10.1.2.3"], "hostname": "A b"}]},
        'endpoints[0].hostname: Invalid value: "A b": a lowercase RFC 1123 label',
    ),
    ("EndpointSlice", a_slice(), {"addressType": "IPv6"}, 'addressType: Invalid value: "IPv6": field is immutable'),
    ("ConfigMap", {}, {"data": {"a/b": ""}}, 'data[a/b]: Invalid value: "a/b"'),
    ("ConfigMap", {}, {"metadata": {"labels": {"a": "not good"}}}, 'metadata.labels: Invalid value: "not good"'),
    (
        "Pod",
        a_pod(activeDeadlineSeconds=600),
        {"spec": {"activeDeadlineSeconds": 700}},
        "spec.activeDeadlineSeconds: Invalid value: 700: must be less than or equal to previous value",
    ),
    (
        "Pod",
        a_pod(activeDeadlineSeconds=600),
        {"spec": {"activeDeadlineSeconds": None}},
        "must not update from a positive integer to nil value",
    ),
    ("Pod", a_pod(), {"spec": {"activeDeadlineSeconds": 0}}, "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and"),
    ("Pod", a_pod(), {"spec": {"terminationGracePeriodSeconds": 7}}, "spec: Forbidden: pod updates may not change fields other"),
    ("Pod", a_pod(), {"spec": {"containers": []}}, "spec.containers: Required value"),
    ("Pod", a_pod(), {"spec": {"activeDeadlineSeconds": "5"}}, ""),
    ("Pod", a_pod(), {"metadata": {"labels": {"a": 5}}}, ""),
    ("Pod", a_pod(), {"metadata": None}, "undeterminable: name must be provided"),
    ("Pod", a_pod(), {"kind": "Service"}, ""),
]


@pytest.mark.parametrize(("kind", "manifest", "change", "text"), CHANGES, ids=[str(change) for _, _, change, _ in CHANGES])
def test_a_change_must_make_sense(
    cluster: Cluster, made: Callable[..., str], kind: Kind, manifest: Json, change: Json, text: str
) -> None:
    """The object after it is checked like a new one; nothing of it stays. No text where the API server shows the object."""
    name = made(kind, manifest)

    def written() -> Json:
        """But for what the cluster's own controllers write."""
        item = cluster.get(kind, name)
        return {key: value for key, value in item.items() if key not in ("metadata", "status")} | {
            "labels": item["metadata"]["labels"]
        }

    if kind == "Pod":
        eventually(lambda: cluster.get("Pod", name)["spec"].get("nodeName"))
    before = written()

    with pytest.raises(InvalidParameter) as raised:
        cluster.patch(kind, name, change)

    assert text in str(raised.value)
    assert written() == before


# --- selectors and versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "fields", "text"),
    [
        ("", "junk", "invalid selector: 'junk'; can't understand 'junk'"),
        ("", "data.a=b", "data.a"),
        ("a b", "", "unable to parse requirement: "),
        ("A_b/c=d", "", 'Invalid value: "A_b/c": prefix part a lowercase RFC 1123'),
    ],
)
def test_what_is_no_selector_is_refused(cluster: Cluster, selector: str, fields: str, text: str) -> None:
    """By lists and by watches."""
    with pytest.raises(InvalidParameter) as raised:
        cluster.list("ConfigMap", selector=selector, fields=fields)
    assert text in str(raised.value)

    with pytest.raises(InvalidParameter) as raised:
        next(iter(cluster.watch("ConfigMap", since="0", selector=selector, fields=fields)))
    assert text in str(raised.value)


def test_what_is_no_version_is_refused(cluster: Cluster) -> None:
    """The API server says that as if it were its own fault."""
    with pytest.raises((InvalidParameter, Unavailable), match=r'^resourceVersion: Invalid value: "abc": '):
        next(iter(cluster.watch("ConfigMap", since="abc")))


# --- slices ----------------------------------------------------------------------------------------------------------


def test_slices_of_endpoints(cluster: Cluster, label: str) -> None:
    """Made, found by their Service, changed, seen by a watch and deleted."""
    name, labels = f"s-{label}", {"test": label, "kubernetes.io/service-name": f"db-{label}"}
    endpoint = {"addresses": ["10.1.2.3"], "conditions": {"ready": True}, "hostname": "one"}
    since = cluster.list("EndpointSlice").resource_version
    watch = cluster.watch("EndpointSlice", since=since, selector=f"test={label}")

    made = cluster.create("EndpointSlice", a_slice(endpoint) | {"metadata": {"name": name, "labels": labels}})
    with pytest.raises(Conflict, match=rf'^endpointslices.discovery.k8s.io "{name}" already exists$'):
        cluster.create("EndpointSlice", a_slice() | {"metadata": {"name": name}})
    (found,) = cluster.list("EndpointSlice", selector=f"kubernetes.io/service-name=db-{label}").items
    cluster.patch("EndpointSlice", name, {"endpoints": [endpoint | {"addresses": ["10.1.2.4"]}]})
    cluster.delete("EndpointSlice", name)

    assert (made["kind"], made["apiVersion"]) == (found["kind"], found["apiVersion"]) == ("EndpointSlice", "discovery.k8s.io/v1")
    assert (found["addressType"], found["endpoints"]) == ("IPv4", [endpoint])
    seen = []
    for event in watch:
        seen.append((event.type, event.object["endpoints"][0]["addresses"]))
        if event.type == "DELETED":
            break
    watch.close()
    assert seen == [("ADDED", ["10.1.2.3"]), ("MODIFIED", ["10.1.2.4"]), ("DELETED", ["10.1.2.4"])]
    with pytest.raises(NotFound, match=rf'^endpointslices.discovery.k8s.io "{name}" not found$'):
        cluster.get("EndpointSlice", name)
