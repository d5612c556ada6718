"""The Kubernetes manifests of `images/deploy`: schemas, references, rights, numbers, and the scripts in them, which are run."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tasks.usecase.policy import SERVICE
from tests.conventions import manifests
from tests.conventions.manifests import Doc, called, containers, named, pod

pytestmark = pytest.mark.unit

DEPLOY = Path(__file__).resolve().parents[2] / "images" / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SECRETS = frozenset({"evergreen-keys", "evergreen-pod-tls"})  # made by a person

BASE = manifests.render(KUBERNETES / "base")
RENDERED = {
    "base": BASE,
    "canary": manifests.render(KUBERNETES / "overlays" / "canary"),
    "mirror": manifests.render(KUBERNETES / "overlays" / "mirror"),
    "canary with TLS": manifests.with_component(
        manifests.render(KUBERNETES / "overlays" / "canary"), KUBERNETES / "components" / "pod-tls"
    ),
}
GATEWAY = manifests.render(KUBERNETES / "gateway")
EXAMPLE = manifests.documents(KUBERNETES / "base" / "secret.example.yaml")

DISTINCT = {yaml.safe_dump(doc): doc for docs in [*RENDERED.values(), GATEWAY, EXAMPLE] for doc in docs}.values()
WORKLOADS = [doc for doc in DISTINCT if doc["kind"] in manifests.WORKLOADS]


# --- they hold --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("doc", DISTINCT, ids=called)
def test_every_document_fits_its_schema(doc: Doc) -> None:
    assert manifests.schema_faults(doc) == []


@pytest.mark.parametrize("name", RENDERED)
def test_every_reference_leads_somewhere(name: str) -> None:
    assert manifests.faults(RENDERED[name], SECRETS) == []


@pytest.mark.parametrize("doc", WORKLOADS, ids=called)
def test_pods_have_no_more_rights_than_they_need(doc: Doc) -> None:
    assert manifests.hardening_faults(doc) == []


def test_every_file_is_used() -> None:
    """What no kustomization names would never be checked, nor applied; the example alone stands aside."""
    used: set[Path] = set()
    for path in KUBERNETES.rglob("kustomization.yaml"):
        (settings,) = manifests.documents(path)
        names = [*settings.get("resources", []), *(patch["path"] for patch in settings.get("patches", []))]
        used |= {path, *((path.parent / name).resolve() for name in names)}
    assert {path.name for path in KUBERNETES.rglob("*") if path.is_file() and path not in used} == {"secret.example.yaml"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl, to compare with, is not installed")
@pytest.mark.parametrize("name", ["base", "canary", "mirror"])
def test_kustomize_renders_the_same(name: str) -> None:
    folder = KUBERNETES / ("base" if name == "base" else f"overlays/{name}")
    rendered = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True, timeout=60).stdout
    theirs = {called(doc): doc for doc in yaml.safe_load_all(rendered)}
    assert theirs == {called(doc): doc for doc in RENDERED[name]}


# --- they find --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        # a probe asks a port by a name that the container does not have
        (
            "Deployment",
            lambda d: _server(d)["readinessProbe"]["httpGet"].update(port="htpp"),
            "a port that its container does not have: htpp",
        ),
        # a mount of a volume that is not there
        ("Deployment", lambda d: _server(d)["volumeMounts"].append({"name": "cache", "mountPath": "/x"}), "no volume of this pod: cache"),
        # a volume that nothing mounts
        ("Deployment", lambda d: _server(d)["volumeMounts"].pop(), "volume that nothing mounts: tmp"),
        # a Service whose labels nobody has
        ("Service", lambda d: d["spec"]["selector"].update(app="evergren"), "selects the pods of 0 workloads"),
        # a Service that would send predictions to the pod of feedback too
        ("Service", lambda d: d["spec"].update(selector={"app.kubernetes.io/name": "evergreen"}), "selects the pods of 2 workloads"),
        # a Service to a port that its pods do not have
        ("Service", lambda d: d["spec"]["ports"][0].update(targetPort="grpc"), "no such port in Deployment evergreen: grpc"),
        # a Deployment that would not find its own pods
        ("Deployment", lambda d: d["spec"]["selector"]["matchLabels"].update(x="y"), "does not match its own pods"),
        # an autoscaler of a Deployment that is not there
        ("HorizontalPodAutoscaler", lambda d: d["spec"]["scaleTargetRef"].update(name="other"), "no such target: Deployment other"),
        # an autoscaler against a fixed number of pods
        ("Deployment", lambda d: d["spec"].update(replicas=3), "its target fixes its replicas at 3"),
        # a disruption budget of nobody
        ("PodDisruptionBudget", lambda d: d["spec"]["selector"]["matchLabels"].update(x="y"), "Budget evergreen: selects no pods"),
        # a network policy of nobody
        ("NetworkPolicy", lambda d: d["spec"]["podSelector"]["matchLabels"].update(x="y"), "Policy evergreen: selects no pods"),
        # a network policy that opens a port that is not there, so that nothing gets in
        ("NetworkPolicy", lambda d: d["spec"]["ingress"][0]["ports"][0].update(port="tls"), "no such port in Deployment evergreen: tls"),
        # a route to a Service that is not there
        ("HTTPRoute", lambda d: d["spec"]["rules"][0]["backendRefs"][0].update(name="other"), "no such service: other"),
        # a route to a port of the pod instead of the Service's
        ("HTTPRoute", lambda d: d["spec"]["rules"][0]["backendRefs"][0].update(port=3000), "no such port of evergreen: 3000"),
        # a Secret that nobody is told to make
        ("Deployment", lambda d: pod(d)["volumes"][2]["secret"].update(secretName="keys"), "no such secret: keys"),
        # a claim that is not there
        ("Deployment", lambda d: pod(d)["volumes"][1].update(persistentVolumeClaim={"claimName": "log"}), "no such claim: log"),
        # a service account that is not there
        ("Deployment", lambda d: pod(d).update(serviceAccountName="other"), "no such service account: other"),
    ],
)
def test_a_reference_that_leads_nowhere_is_found(kind: str, change: Callable[[Doc], object], told: str) -> None:
    docs = copy.deepcopy(BASE)
    change(named(docs, kind, "evergreen"))
    assert [fault for fault in manifests.faults(docs, SECRETS) if told in fault], manifests.faults(docs, SECRETS)


def _server(doc: Doc) -> Doc:
    return next(container for container in containers(doc) if container["name"] == "server")


def test_one_name_for_two_is_found() -> None:
    assert manifests.faults([*BASE, named(BASE, "Service", "evergreen")], SECRETS) == ["Service evergreen is there twice"]


def test_a_mirror_to_a_missing_service_is_found() -> None:
    docs = copy.deepcopy(RENDERED["mirror"])
    docs.remove(named(docs, "Service", "evergreen-canary"))
    assert manifests.faults(docs, SECRETS) == ["HTTPRoute evergreen: no such service: evergreen-canary"]


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        # a misspelt field, deep in a pod
        ("Deployment", "evergreen", lambda d: pod(d)["containers"][0].update(readynessProbe={})),
        # a number where a text must be
        ("Deployment", "evergreen", lambda d: pod(d)["containers"][0]["env"][1].update(value=2)),
        # a required field left out
        ("PodDisruptionBudget", "evergreen", lambda d: d.update(spec=[])),
        # a misspelt field of an autoscaler
        ("HorizontalPodAutoscaler", "evergreen", lambda d: d["spec"].update(minReplica=2)),
        # a word for a number
        ("Service", "evergreen", lambda d: d["spec"]["ports"][0].update(port="eighty")),
        # a misspelt field of the Gateway API
        ("HTTPRoute", "evergreen", lambda d: d["spec"]["rules"][0]["backendRefs"][0].update(wieght=5)),
        # a negative weight
        ("HTTPRoute", "evergreen", lambda d: d["spec"]["rules"][0]["backendRefs"][0].update(weight=-1)),
        # a path of a kind that there is not
        ("HTTPRoute", "evergreen", lambda d: d["spec"]["rules"][0]["matches"][0]["path"].update(type="Prefix")),
        # a duration without its unit
        ("HTTPRoute", "evergreen", lambda d: d["spec"]["rules"][0]["timeouts"].update(request="10")),
    ],
)
def test_what_a_schema_does_not_allow_is_found(kind: str, name: str, change: Callable[[Doc], object]) -> None:
    doc = copy.deepcopy(named(BASE, kind, name))
    change(doc)
    assert manifests.schema_faults(doc)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p["securityContext"].update(runAsUser=0), "may run as root"),  # root by its number
        (lambda p: p["securityContext"].pop("seccompProfile"), "no seccomp profile"),  # every system call
        (lambda p: p.pop("automountServiceAccountToken"), "mounts a token"),  # the default
        (lambda p: p["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "reaches into its node"),  # the node's disk
        (lambda p: p["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"), "server may write"),  # the default
        (
            lambda p: p["containers"][0]["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
            "server keeps capabilities",
        ),  # given back
        (lambda p: p["initContainers"][0]["securityContext"].pop("allowPrivilegeEscalation"), "prepare may gain rights"),  # setuid
        (lambda p: p["containers"][0]["resources"]["limits"].pop("memory"), "server has no bounds of memory"),  # takes its node along
    ],
)
def test_more_rights_than_needed_are_found(change: Callable[[Doc], object], told: str) -> None:
    doc = copy.deepcopy(named(BASE, "Deployment", "evergreen"))
    change(pod(doc))
    assert [fault for fault in manifests.hardening_faults(doc) if told in fault]


# --- numbers, and what hangs together ---------------------------------------------------------------------------------


@pytest.mark.parametrize("doc", WORKLOADS, ids=called)
def test_numbers_agree_with_the_policy(doc: Doc) -> None:
    server = _server(doc)
    workers = int(next(entry["value"] for entry in server["env"] if entry["name"] == "EVERGREEN_WORKERS"))
    memory = _bytes(server["resources"]["limits"]["memory"])
    assert workers * SERVICE.memory_mb * 1e6 + 150e6 <= memory  # and what their parent has
    assert server["resources"]["requests"]["memory"] == server["resources"]["limits"]["memory"]
    probe = server["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 2 * SERVICE.ready_seconds
    pause = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    longest = max(float(rule["timeouts"]["request"].removesuffix("s")) for rule in named(BASE, "HTTPRoute", "evergreen")["spec"]["rules"])
    assert pod(doc)["terminationGracePeriodSeconds"] >= pause + longest + 10
    assert pause >= server["readinessProbe"]["periodSeconds"] * server["readinessProbe"]["failureThreshold"]


def _bytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([KMG]i)", text).groups()  # type: ignore[union-attr]
    return int(number) * 1024 ** ("KMG".index(unit[0]) + 1)


@pytest.mark.parametrize("overlay", ["canary", "mirror"])
def test_a_canary_is_another_image_of_the_same_pod(overlay: str) -> None:
    docs = RENDERED[overlay]
    stable, canary = (copy.deepcopy(named(docs, "Deployment", name)) for name in ("evergreen", "evergreen-canary"))
    assert {c["image"] for c in containers(stable)}.isdisjoint(c["image"] for c in containers(canary))
    for doc in (stable, canary):
        for container in containers(doc):
            container.pop("image")
    as_stable = (
        yaml.safe_dump(canary)
        .replace("evergreen/track: canary", "evergreen/track: stable")
        .replace("name: evergreen-canary", "name: evergreen")
    )
    assert yaml.safe_load(as_stable) == stable


def test_an_overlay_changes_only_where_predictions_go() -> None:
    base, canary, mirror = (named(RENDERED[name], "HTTPRoute", "evergreen")["spec"] for name in ("base", "canary", "mirror"))
    for spec in (canary, mirror):
        assert {**spec, "rules": None} == {**base, "rules": None}
        assert spec["rules"][1:] == base["rules"][1:]
        assert spec["rules"][0]["matches"] == base["rules"][0]["matches"]
    assert sum(ref["weight"] for ref in canary["rules"][0]["backendRefs"]) == 100
    assert [ref["name"] for ref in mirror["rules"][0]["backendRefs"]] == ["evergreen"]  # a mirror answers nobody


def test_no_one_outside_reaches_metrics_or_routing() -> None:
    for docs in RENDERED.values():
        matches = [match for rule in named(docs, "HTTPRoute", "evergreen")["spec"]["rules"] for match in rule["matches"]]
        assert {match["path"]["type"] for match in matches} == {"Exact"}
        assert {match["path"]["value"] for match in matches} == {"/predict", "/explain", "/feedback", "/openapi.json", "/docs", "/readyz"}


def test_the_route_finds_its_gateway_which_has_tls_alone() -> None:
    (gateway,) = GATEWAY
    (parent,) = named(BASE, "HTTPRoute", "evergreen")["spec"]["parentRefs"]
    assert (parent["name"], parent["namespace"]) == (gateway["metadata"]["name"], gateway["metadata"]["namespace"])
    (listener,) = gateway["spec"]["listeners"]
    assert (listener["name"], listener["protocol"], listener["tls"]["mode"]) == (parent["sectionName"], "HTTPS", "Terminate")
    allowed = listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert allowed == named(BASE, "Namespace", "evergreen")["metadata"]["name"]
    assert listener["hostname"] in named(BASE, "HTTPRoute", "evergreen")["spec"]["hostnames"]
    policy = named(BASE, "NetworkPolicy", "evergreen")["spec"]
    assert policy["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == parent["namespace"]
    assert policy["egress"] == []
    assert policy["policyTypes"] == ["Ingress", "Egress"]


def test_tls_at_the_pod_reaches_every_probe() -> None:
    docs = RENDERED["canary with TLS"]
    workloads = manifests.of_kind(docs, *manifests.WORKLOADS)
    assert len(workloads) == 3
    for doc in workloads:
        server = _server(doc)
        assert {server[kind]["httpGet"]["scheme"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")} == {"HTTPS"}
        assert {entry["name"] for entry in server["env"]} >= {"EVERGREEN_TLS_CERT", "EVERGREEN_TLS_KEY", "EVERGREEN_WORKERS"}
        assert doc["spec"]["template"]["metadata"]["annotations"]["prometheus.io/scheme"] == "https"
    (policy,) = manifests.of_kind(docs, "BackendTLSPolicy")
    assert {ref["name"] for ref in policy["spec"]["targetRefs"]} == {doc["metadata"]["name"] for doc in manifests.of_kind(docs, "Service")}


@pytest.mark.parametrize("doc", WORKLOADS, ids=called)
def test_images_are_of_a_version(doc: Doc) -> None:
    for container in containers(doc):
        assert re.fullmatch(r"[a-z0-9./-]+:(?!latest)[A-Za-z0-9._-]+|[a-z0-9./-]+@sha256:[0-9a-f]{64}", container["image"])


def test_the_example_holds_no_secret() -> None:
    (example,) = EXAMPLE
    keys = next(volume["secret"] for volume in pod(named(BASE, "Deployment", "evergreen"))["volumes"] if volume["name"] == "keys")
    assert example["metadata"]["name"] == keys["secretName"]
    assert example["stringData"] == {"keys.json": '{"keys": []}', "secret": ""}
    text = "".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file())
    assert re.findall(r"evg_[0-9a-f]{8}_|\b[0-9a-f]{64}\b|BEGIN [A-Z ]*PRIVATE KEY", text) == []
