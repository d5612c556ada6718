"""Kubernetes manifests as tests see them: kustomizations rendered, schemas and references checked.

`render` knows what the kustomizations of `images/deploy` use, after kustomize's own rules, and refuses what it does not know.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

Doc = dict[str, Any]

VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: the oldest that the manifests are for, and the newest whose schemas there are."""

MERGED_BY = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}
"""Lists that a strategic merge joins by a key; any other list is replaced."""

KNOWN = {"apiVersion", "kind", "resources", "components", "patches", "images", "labels", "namespace", "nameSuffix"}
WORKLOADS = ("Deployment", "StatefulSet")
GATEWAY_API = json.loads((Path(__file__).parent / "gateway.json").read_text())


# --- rendering --------------------------------------------------------------------------------------------------------


def documents(path: Path) -> list[Doc]:
    return [doc for doc in yaml.safe_load_all(path.read_text()) if doc]


def render(folder: Path) -> list[Doc]:
    """Return the documents of a kustomization."""
    return _transformed(folder, [])


def with_component(docs: list[Doc], folder: Path) -> list[Doc]:
    """Return documents with a component applied."""
    return _transformed(folder, copy.deepcopy(docs))


def _transformed(folder: Path, docs: list[Doc]) -> list[Doc]:
    (settings,) = documents(folder / "kustomization.yaml")
    assert set(settings) <= KNOWN, f"{folder}: {set(settings) - KNOWN}"
    for name in settings.get("resources", []):
        path = (folder / name).resolve()
        docs += render(path) if path.is_dir() else documents(path)
    for name in settings.get("components", []):
        docs = _transformed((folder / name).resolve(), docs)
    for patch in settings.get("patches", []):
        docs = _patched(docs, documents(folder / patch["path"])[0], patch.get("target"))
    for doc in docs:
        if "namespace" in settings and doc["kind"] != "Namespace":
            doc["metadata"]["namespace"] = settings["namespace"]
        doc["metadata"]["name"] += settings.get("nameSuffix", "")
        for label in settings.get("labels", []):
            _label(doc, label["pairs"])
        for image in settings.get("images", []):
            for container in containers(doc):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return docs


def _patched(docs: list[Doc], patch: Doc, target: Mapping[str, str] | None) -> list[Doc]:
    wanted = target or {"kind": patch["kind"], "name": patch["metadata"]["name"]}
    meant = [doc for doc in docs if all({"kind": doc["kind"], "name": doc["metadata"]["name"]}[key] == wanted[key] for key in wanted)]
    assert meant, f"a patch must have a target; got none of {wanted}"
    change = {key: value for key, value in patch.items() if key not in ("apiVersion", "kind", "metadata")}
    for doc in meant:
        doc.update(_merged(doc, change))
    return docs


def _merged(old: Any, new: Any, field: str = "") -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merged(old.get(key), value, key) for key, value in new.items()}}
    if isinstance(old, list) and field in MERGED_BY:
        key = MERGED_BY[field]
        after = {item[key]: item for item in old}
        for item in new:
            after[item[key]] = _merged(after.get(item[key]), item)
        return list(after.values())
    return copy.deepcopy(new)


def _label(doc: Doc, pairs: Mapping[str, str]) -> None:
    doc["metadata"].setdefault("labels", {}).update(pairs)
    if doc["kind"] == "Service":
        doc["spec"]["selector"].update(pairs)
    elif doc["kind"] in WORKLOADS:
        template = doc["spec"]["template"]
        doc["spec"]["selector"]["matchLabels"].update(pairs)
        template["metadata"]["labels"].update(pairs)
        for spread in template["spec"].get("topologySpreadConstraints", []):
            spread["labelSelector"]["matchLabels"].update(pairs)
    else:
        raise AssertionError(f"labels with selectors are known of services and workloads alone; got {doc['kind']}")


# --- looking ----------------------------------------------------------------------------------------------------------


def pod(doc: Doc) -> Doc:
    spec: Doc = doc["spec"]["template"]["spec"]
    return spec


def containers(doc: Doc) -> list[Doc]:
    """Return all containers of a document, those of its start too."""
    if doc["kind"] not in WORKLOADS:
        return []
    return [*pod(doc).get("initContainers", []), *pod(doc)["containers"]]


def of_kind(docs: list[Doc], *kinds: str) -> list[Doc]:
    return [doc for doc in docs if doc["kind"] in kinds]


def named(docs: list[Doc], kind: str, name: str) -> Doc:
    (found,) = [doc for doc in of_kind(docs, kind) if doc["metadata"]["name"] == name]
    return found


def called(doc: Doc) -> str:
    return f"{doc['kind']} {doc['metadata']['name']}"


# --- checks -----------------------------------------------------------------------------------------------------------


def schema_faults(doc: Doc) -> list[str]:
    """Return what of a document its schema does not allow."""
    if doc["apiVersion"].startswith("gateway.networking.k8s.io/"):
        found = jsonschema.Draft202012Validator(GATEWAY_API).iter_errors(doc)
        return [f"{called(doc)}: {'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]
    faults = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(doc, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{called(doc)}: {'.'.join(map(str, error.path))}: {error.message}")
    return faults


def faults(docs: list[Doc], outside: frozenset[str] = frozenset()) -> list[str]:
    """Return the references between documents that lead nowhere.

    Args:
        docs: All that is applied together.
        outside: Secrets that a person makes.
    """
    names = [called(doc) for doc in docs]
    twice = [f"{name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    if twice:
        return twice  # what a name leads to cannot be said
    found = []
    for doc in docs:
        check = _CHECKS.get(doc["kind"])
        found += [f"{called(doc)}: {fault}" for fault in (check(doc, docs, outside) if check else ())]
    return found


def _workload(doc: Doc, docs: list[Doc], outside: frozenset[str]) -> Iterator[str]:
    if not _selects(doc["spec"]["selector"]["matchLabels"], doc):
        yield "its selector does not match its own pods"
    volumes = {volume["name"]: volume for volume in pod(doc).get("volumes", [])}
    claimed = {claim["metadata"]["name"] for claim in doc["spec"].get("volumeClaimTemplates", [])}
    mounted = {mount["name"] for container in containers(doc) for mount in container.get("volumeMounts", [])}
    yield from (f"mounts no volume of this pod: {name}" for name in sorted(mounted - volumes.keys() - claimed))
    yield from (f"volume that nothing mounts: {name}" for name in sorted((volumes.keys() | claimed) - mounted))
    for volume in volumes.values():
        claim, secret = volume.get("persistentVolumeClaim"), volume.get("secret")
        if claim and not _is_there(docs, "PersistentVolumeClaim", claim["claimName"]):
            yield f"no such claim: {claim['claimName']}"
        if secret and secret["secretName"] not in outside:
            yield f"no such secret: {secret['secretName']}"
    account = pod(doc).get("serviceAccountName", "default")  # which every namespace has
    if account != "default" and not _is_there(docs, "ServiceAccount", account):
        yield f"no such service account: {account}"
    for container in containers(doc):
        ports = {port["name"] for port in container.get("ports", [])}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = container.get(kind, {}).get("httpGet", {}).get("port")
            if port is not None and port not in ports:
                yield f"{kind} asks a port that its container does not have: {port}"


def _service(doc: Doc, docs: list[Doc], outside: frozenset[str]) -> Iterator[str]:
    chosen = [workload for workload in of_kind(docs, *WORKLOADS) if _selects(doc["spec"]["selector"], workload)]
    if len(chosen) != 1:
        yield f"selects the pods of {len(chosen)} workloads"
    for workload in chosen:
        yield from (
            f"no such port in {called(workload)}: {p['targetPort']}"
            for p in doc["spec"]["ports"]
            if p["targetPort"] not in _ports(workload)
        )


def _autoscaler(doc: Doc, docs: list[Doc], outside: frozenset[str]) -> Iterator[str]:
    target = doc["spec"]["scaleTargetRef"]
    if not _is_there(docs, target["kind"], target["name"]):
        yield f"no such target: {target['kind']} {target['name']}"
    elif "replicas" in (spec := named(docs, target["kind"], target["name"])["spec"]):
        yield f"its target fixes its replicas at {spec['replicas']}: every `apply` would undo what it did"


def _budget(doc: Doc, docs: list[Doc], outside: frozenset[str]) -> Iterator[str]:
    if not any(_selects(doc["spec"]["selector"]["matchLabels"], workload) for workload in of_kind(docs, *WORKLOADS)):
        yield "selects no pods"


def _policy(doc: Doc, docs: list[Doc], outside: frozenset[str]) -> Iterator[str]:
    chosen = [workload for workload in of_kind(docs, *WORKLOADS) if _selects(doc["spec"]["podSelector"]["matchLabels"], workload)]
    if not chosen:
        yield "selects no pods"
    ports = {port["port"] for rule in doc["spec"]["ingress"] for port in rule["ports"]}
    yield from (f"no such port in {called(workload)}: {port}" for workload in chosen for port in sorted(ports - _ports(workload)))


def _route(doc: Doc, docs: list[Doc], outside: frozenset[str]) -> Iterator[str]:
    for rule in doc["spec"]["rules"]:
        mirrors = [f["requestMirror"]["backendRef"] for f in rule.get("filters", []) if "requestMirror" in f]
        for ref in [*rule["backendRefs"], *mirrors]:
            if not _is_there(docs, "Service", ref["name"]):
                yield f"no such service: {ref['name']}"
            elif ref["port"] not in {port["port"] for port in named(docs, "Service", ref["name"])["spec"]["ports"]}:
                yield f"no such port of {ref['name']}: {ref['port']}"


_CHECKS = {
    **dict.fromkeys(WORKLOADS, _workload),
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _budget,
    "NetworkPolicy": _policy,
    "HTTPRoute": _route,
}


def _selects(labels: Mapping[str, str], workload: Doc) -> bool:
    return bool(labels) and labels.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


def _ports(workload: Doc) -> set[str]:
    return {port["name"] for container in containers(workload) for port in container.get("ports", [])}


def _is_there(docs: list[Doc], kind: str, name: str) -> bool:
    return any(doc["metadata"]["name"] == name for doc in of_kind(docs, kind))


def hardening_faults(doc: Doc) -> list[str]:
    """Return where a workload asks for more rights than the Pod Security Standard `restricted` and these manifests allow."""
    spec, found = pod(doc), []
    security = spec.get("securityContext", {})
    if not security.get("runAsNonRoot") or security.get("runAsUser", 0) == 0:
        found.append("may run as root")
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("has no seccomp profile")
    if spec.get("automountServiceAccountToken") is not False:
        found.append("mounts a token of the service account")
    if any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")) or any("hostPath" in v for v in spec.get("volumes", [])):
        found.append("reaches into its node")
    for container in containers(doc):
        own, name = container.get("securityContext", {}), container["name"]
        if own.get("allowPrivilegeEscalation") is not False:
            found.append(f"{name} may gain rights")
        if own.get("readOnlyRootFilesystem") is not True:
            found.append(f"{name} may write to its image's disk")
        if own.get("capabilities") != {"drop": ["ALL"]}:
            found.append(f"{name} keeps capabilities")
        if own.get("privileged") or own.get("runAsUser") == 0:
            found.append(f"{name} has the rights of its node")
        resources = container.get("resources", {})
        if "memory" not in resources.get("limits", {}) or not {"cpu", "memory"} <= resources.get("requests", {}).keys():
            found.append(f"{name} has no bounds of memory or no request")
    return [f"{called(doc)}: {fault}" for fault in found]
