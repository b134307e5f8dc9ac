"""The fields that Kubernetes 1.34 knows of the objects here, to refuse what is misspelt. Pure.

A real API server drops unknown fields, or refuses them where a client asks for it (``fieldValidation=Strict``); the
embedded cluster always refuses, since nobody else would see the mistake. Parts that no name follows are not looked into.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.protocol import Json, Kind
from kubedock.errors import InvalidParameter

_TYPES = {
    "Metadata": "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation"
    " labels managedFields name namespace ownerReferences:Owner resourceVersion selfLink uid",
    "Owner": "apiVersion blockOwnerDeletion controller kind name uid",
    "Pod": "spec:PodSpec",
    "PodSpec": "activeDeadlineSeconds affinity automountServiceAccountToken containers:Container dnsConfig:DnsConfig dnsPolicy"
    " enableServiceLinks ephemeralContainers hostAliases:HostAlias hostIPC hostNetwork hostPID hostUsers hostname"
    " hostnameOverride imagePullSecrets:Reference initContainers:Container nodeName nodeSelector os overhead preemptionPolicy"
    " priority priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName"
    " schedulingGates securityContext:PodSecurity serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace"
    " subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes:Volume",
    "Container": "args command env:Variable envFrom:VariableSource image imagePullPolicy lifecycle livenessProbe name"
    " ports:Port readinessProbe resizePolicy resources:Resources restartPolicy restartPolicyRules securityContext:Security"
    " startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts:Mount workingDir",
    "Variable": "name value valueFrom",
    "VariableSource": "configMapRef prefix secretRef",
    "Port": "containerPort hostIP hostPort name protocol",
    "Resources": "claims limits requests",
    "Mount": "mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr",
    "Security": "allowPrivilegeEscalation appArmorProfile capabilities:Capabilities privileged procMount"
    " readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser seLinuxOptions seccompProfile windowsOptions",
    "Capabilities": "add drop",
    "PodSecurity": "appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy"
    " seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls:Sysctl windowsOptions",
    "Sysctl": "name value",
    "DnsConfig": "nameservers options searches",
    "HostAlias": "hostnames ip",
    "Reference": "name",
    "Volume": "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap:ConfigMapVolume csi downwardAPI"
    " emptyDir:EmptyDir ephemeral fc flexVolume flocker gcePersistentDisk gitRepo glusterfs hostPath:HostPath image iscsi name"
    " nfs persistentVolumeClaim photonPersistentDisk portworxVolume projected quobyte rbd scaleIO secret:SecretVolume storageos"
    " vsphereVolume",
    "ConfigMapVolume": "defaultMode items:KeyPath name optional",
    "SecretVolume": "defaultMode items:KeyPath optional secretName",
    "KeyPath": "key mode path",
    "EmptyDir": "medium sizeLimit",
    "HostPath": "path type",
    "Deployment": "spec:DeploymentSpec",
    "DeploymentSpec": "minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit selector strategy"
    " template:Template",
    "Template": "metadata:Metadata spec:PodSpec",
    "Service": "spec:ServiceSpec",
    "ServiceSpec": "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy"
    " healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP"
    " loadBalancerSourceRanges ports:ServicePort publishNotReadyAddresses selector sessionAffinity sessionAffinityConfig"
    " trafficDistribution type",
    "ServicePort": "appProtocol name nodePort port protocol targetPort",
    "EndpointSlice": "addressType endpoints:Endpoint ports",
    "Endpoint": "addresses conditions deprecatedTopology hints hostname nodeName targetRef zone",
    "ConfigMap": "binaryData data immutable",
    "Secret": "data immutable stringData type",
}
_EVERYWHERE = "apiVersion kind metadata:Metadata status "

Fields = Mapping[str, str]
"""The fields of a type, and the type of each, "" for what is not looked into."""


def _fields(type_: str) -> Fields:
    words = (_EVERYWHERE if type_ in RESOURCES else "") + _TYPES[type_]
    return dict(word.partition(":")[::2] for word in words.split())


_FIELDS: Mapping[str, Fields] = MappingProxyType({type_: _fields(type_) for type_ in _TYPES})


def check_fields(kind: Kind, item: Json) -> None:
    """Refuse an object with unknown fields: InvalidParameter that names each."""
    if kind not in _FIELDS:
        return
    unknown = [f'unknown field "{path}"' for path in _unknown(kind, item, "")]
    if unknown:
        version = RESOURCES[kind].version
        raise InvalidParameter(
            f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {", ".join(unknown)}'
        )


def _unknown(type_: str, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _unknown(type_, each, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        known = _FIELDS[type_]
        for name, inside in value.items():
            place = f"{path}.{name}" if path else name
            if name not in known:
                yield place
            elif known[name]:
                yield from _unknown(known[name], inside, place)
