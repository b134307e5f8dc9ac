"""The fields that Kubernetes 1.34 knows of the objects here, and their types, to refuse what is misspelt. Pure.

A real API server drops unknown fields, or refuses them where a client asks for it (``fieldValidation=Strict``); the
embedded cluster always refuses, since nobody else would see the mistake. Values of a wrong type are refused by all of
them (``decoding``).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.protocol import Json, Kind
from kubedock.errors import InvalidParameter

LIST, MAP = "[]", "map[string]"
"""What the type of a list or of a map with free keys begins with; the type of what is in it follows."""

_TYPES = {
    "ObjectMeta": "annotations:map[string]string creationTimestamp deletionGracePeriodSeconds:int64 deletionTimestamp"
    " finalizers:[]string generateName:string generation:int64 labels:map[string]string managedFields name:string"
    " namespace:string ownerReferences:[]OwnerReference resourceVersion:string selfLink:string uid:UID",
    "OwnerReference": "apiVersion:string blockOwnerDeletion:bool controller:bool kind:string name:string uid:UID",
    "Pod": "spec:PodSpec",
    "PodSpec": "activeDeadlineSeconds:int64 affinity automountServiceAccountToken:bool containers:[]Container"
    " dnsConfig:PodDNSConfig dnsPolicy:DNSPolicy enableServiceLinks:bool ephemeralContainers hostAliases:[]HostAlias"
    " hostIPC:bool hostNetwork:bool hostPID:bool hostUsers:bool hostname:string hostnameOverride:string"
    " imagePullSecrets:[]LocalObjectReference initContainers:[]Container nodeName:string nodeSelector:map[string]string os"
    " overhead preemptionPolicy:PreemptionPolicy priority:int32 priorityClassName:string readinessGates resourceClaims resources"
    " restartPolicy:RestartPolicy runtimeClassName:string schedulerName:string schedulingGates"
    " securityContext:PodSecurityContext serviceAccount:string serviceAccountName:string setHostnameAsFQDN:bool"
    " shareProcessNamespace:bool subdomain:string terminationGracePeriodSeconds:int64 tolerations topologySpreadConstraints"
    " volumes:[]Volume",
    "Container": "args:[]string command:[]string env:[]EnvVar envFrom:[]EnvFromSource image:string imagePullPolicy:PullPolicy"
    " lifecycle livenessProbe name:string ports:[]ContainerPort readinessProbe resizePolicy resources:ResourceRequirements"
    " restartPolicy:ContainerRestartPolicy restartPolicyRules securityContext:SecurityContext startupProbe stdin:bool"
    " stdinOnce:bool terminationMessagePath:string terminationMessagePolicy:TerminationMessagePolicy tty:bool volumeDevices"
    " volumeMounts:[]VolumeMount workingDir:string",
    "EnvVar": "name:string value:string valueFrom:EnvVarSource",
    "EnvVarSource": "configMapKeyRef:ConfigMapKeySelector fieldRef:ObjectFieldSelector fileKeyRef resourceFieldRef"
    " secretKeyRef:SecretKeySelector",
    "ConfigMapKeySelector": "key:string name:string optional:bool",
    "SecretKeySelector": "key:string name:string optional:bool",
    "ObjectFieldSelector": "apiVersion:string fieldPath:string",
    "EnvFromSource": "configMapRef:ConfigMapEnvSource prefix:string secretRef:SecretEnvSource",
    "ConfigMapEnvSource": "name:string optional:bool",
    "SecretEnvSource": "name:string optional:bool",
    "ContainerPort": "containerPort:int32 hostIP:string hostPort:int32 name:string protocol:Protocol",
    "ResourceRequirements": "claims limits:map[string]Quantity requests:map[string]Quantity",
    "VolumeMount": "mountPath:string mountPropagation:MountPropagationMode name:string readOnly:bool"
    " recursiveReadOnly:RecursiveReadOnlyMode subPath:string subPathExpr:string",
    "SecurityContext": "allowPrivilegeEscalation:bool appArmorProfile capabilities:Capabilities privileged:bool"
    " procMount:ProcMountType readOnlyRootFilesystem:bool runAsGroup:int64 runAsNonRoot:bool runAsUser:int64 seLinuxOptions"
    " seccompProfile:SeccompProfile windowsOptions",
    "Capabilities": "add:[]Capability drop:[]Capability",
    "SeccompProfile": "localhostProfile:string type:SeccompProfileType",
    "PodSecurityContext": "appArmorProfile fsGroup:int64 fsGroupChangePolicy:PodFSGroupChangePolicy runAsGroup:int64"
    " runAsNonRoot:bool runAsUser:int64 seLinuxChangePolicy seLinuxOptions seccompProfile:SeccompProfile"
    " supplementalGroups:[]int64 supplementalGroupsPolicy sysctls:[]Sysctl windowsOptions",
    "Sysctl": "name:string value:string",
    "PodDNSConfig": "nameservers:[]string options:[]PodDNSConfigOption searches:[]string",
    "PodDNSConfigOption": "name:string value:string",
    "HostAlias": "hostnames:[]string ip:string",
    "LocalObjectReference": "name:string",
    "Volume": "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap:ConfigMapVolumeSource csi downwardAPI"
    " emptyDir:EmptyDirVolumeSource ephemeral fc flexVolume flocker gcePersistentDisk gitRepo glusterfs"
    " hostPath:HostPathVolumeSource image iscsi name:string nfs persistentVolumeClaim photonPersistentDisk portworxVolume"
    " projected quobyte rbd scaleIO secret:SecretVolumeSource storageos vsphereVolume",
    "ConfigMapVolumeSource": "defaultMode:int32 items:[]KeyToPath name:string optional:bool",
    "SecretVolumeSource": "defaultMode:int32 items:[]KeyToPath optional:bool secretName:string",
    "KeyToPath": "key:string mode:int32 path:string",
    "EmptyDirVolumeSource": "medium:StorageMedium sizeLimit:Quantity",
    "HostPathVolumeSource": "path:string type:HostPathType",
    "Deployment": "spec:DeploymentSpec",
    "DeploymentSpec": "minReadySeconds:int32 paused:bool progressDeadlineSeconds:int32 replicas:int32 revisionHistoryLimit:int32"
    " selector:LabelSelector strategy template:PodTemplateSpec",
    "LabelSelector": "matchExpressions matchLabels:map[string]string",
    "PodTemplateSpec": "metadata:ObjectMeta spec:PodSpec",
    "Service": "spec:ServiceSpec",
    "ServiceSpec": "allocateLoadBalancerNodePorts:bool clusterIP:string clusterIPs:[]string externalIPs:[]string"
    " externalName:string externalTrafficPolicy healthCheckNodePort:int32 internalTrafficPolicy ipFamilies ipFamilyPolicy"
    " loadBalancerClass:string loadBalancerIP:string loadBalancerSourceRanges:[]string ports:[]ServicePort"
    " publishNotReadyAddresses:bool selector:map[string]string sessionAffinity sessionAffinityConfig trafficDistribution:string"
    " type:ServiceType",
    "ServicePort": "appProtocol:string name:string nodePort:int32 port:int32 protocol:Protocol targetPort:IntOrString",
    "EndpointSlice": "addressType:AddressType endpoints:[]Endpoint ports:[]EndpointPort",
    "Endpoint": "addresses:[]string conditions:EndpointConditions deprecatedTopology hints hostname:string nodeName:string"
    " targetRef zone:string",
    "EndpointConditions": "ready:bool serving:bool terminating:bool",
    "EndpointPort": "appProtocol:string name:string port:int32 protocol:Protocol",
    "ConfigMap": "binaryData:map[string]Bytes data:map[string]string immutable:bool",
    "ServiceAccount": "automountServiceAccountToken:bool imagePullSecrets:[]LocalObjectReference secrets",
    "Secret": "data:map[string]Bytes immutable:bool stringData:map[string]string type:SecretType",
}
_EVERYWHERE = "apiVersion:string kind:string metadata:ObjectMeta status "

Fields = Mapping[str, str]
"""The fields of a type, and the type of each, "" for what is not looked into."""


def _fields(type_: str) -> Fields:
    words = (_EVERYWHERE if type_ in RESOURCES else "") + _TYPES[type_]
    return MappingProxyType(dict(word.partition(":")[::2] for word in words.split()))


FIELDS: Mapping[str, Fields] = MappingProxyType({type_: _fields(type_) for type_ in _TYPES})
"""The types that have fields, by their names in Kubernetes; those of words in lower case are plain values, the others are
strings of their own kind."""


def cannot_be(kind: Kind, why: str, *, given: str = "", version: str = "") -> InvalidParameter:
    """What an API server says of a body that is not an object of this kind; it was ``given`` as this kind and version."""
    return InvalidParameter(
        f'{given or kind} in version "{version or RESOURCES[kind].version}" cannot be handled as a {kind}: {why}'
    )


def check_fields(kind: Kind, item: Json) -> None:
    """Refuse an object with unknown fields: InvalidParameter that names each."""
    unknown = [f'unknown field "{path}"' for path in _unknown(kind, item, "")]
    if unknown:
        raise cannot_be(kind, f"strict decoding error: {', '.join(unknown)}")


def _unknown(type_: str, value: Any, path: str) -> Iterator[str]:
    if type_.startswith(LIST) and isinstance(value, list):
        for index, each in enumerate(value):
            yield from _unknown(type_.removeprefix(LIST), each, f"{path}[{index}]")
    elif type_ in FIELDS and isinstance(value, Mapping):
        for name, inside in value.items():
            place = f"{path}.{name}" if path else name
            if name in FIELDS[type_]:
                yield from _unknown(FIELDS[type_][name], inside, place)
            else:
                yield place
