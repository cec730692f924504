"""Tests the manifests of deploy/kubernetes: valid by Kubernetes' own schemas, and true to what the server does.

`kubectl kustomize` renders them where it is at hand (CONTRIBUTING); a cluster is not needed, and none was used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from hoshikage.options import SETTINGS
from hoshikage.settings import LANGUAGE_VARIABLE

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "deploy" / "kubernetes"
FILES: Final = sorted(FOLDER.rglob("*.yaml"))
VERSIONS: Final = ("1.30", kubernetes_validate.latest_version())
"""The oldest one knows everything used here: a pause before the end of a pod that needs no shell."""
FOREIGN: Final = ("kustomize.config.k8s.io/v1beta1", "http.keda.sh/v1alpha1")
"""Kubernetes' schemas do not have these kinds."""


def documents(file: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(file.read_text("utf-8"))


def one(kind: str) -> dict[str, Any]:
    found = [each for file in FILES for each in documents(file) if each["kind"] == kind]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_each_file_is_what_kubernetes_takes(file: Path) -> None:
    for document in documents(file):
        if document["apiVersion"] not in FOREIGN:
            for version in VERSIONS:
                kubernetes_validate.validate(document, version, strict=True)
    config = YamlLintConfig((FOLDER / ".yamllint").read_text("utf-8"))
    assert [str(problem) for problem in linter.run(file.read_text("utf-8"), config)] == []


def test_every_file_is_used() -> None:
    for file in FOLDER.glob("*/kustomization.yaml"):
        (document,) = documents(file)
        named = {name for name in document["resources"] if name.endswith(".yaml")}
        assert named == {other.name for other in file.parent.glob("*.yaml")} - {"kustomization.yaml"}


def test_the_settings_are_the_servers() -> None:
    known = {LANGUAGE_VARIABLE, *(row.variable for row in SETTINGS)}
    rows = {row.variable: row for row in SETTINGS}
    for file in FOLDER.glob("*/kustomization.yaml"):
        (document,) = documents(file)
        for generated in document.get("configMapGenerator", ()):
            for literal in generated["literals"]:
                name, _, value = literal.partition("=")
                assert name in known
                if name in rows:
                    rows[name].parse(value)


def test_a_pod_has_time_to_end_its_answers() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    literals = next(documents(FOLDER / "base" / "kustomization.yaml"))["configMapGenerator"][0]["literals"]
    drain = next(int(value.partition("=")[2]) for value in literals if value.startswith("DRAIN_TIMEOUT="))
    assert pod["terminationGracePeriodSeconds"] > drain + container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "/health"
    }


def test_the_container_is_the_images() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    pod = one("Deployment")["spec"]["template"]["spec"]
    assert f"USER {pod['securityContext']['runAsUser']}" in text
    (port,) = pod["containers"][0]["ports"]
    assert f"EXPOSE {port['containerPort']}" in text
    volumes = text.partition("VOLUME [")[2].partition("]")[0]
    mounts = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"] if mount["mountPath"] != "/tmp"]
    assert [path for path in mounts if f'"{path}"' not in volumes] == []


def test_a_pod_is_reached_by_its_port_alone_and_begins_no_connection() -> None:
    policy, pod = one("NetworkPolicy")["spec"], one("Deployment")["spec"]["template"]
    assert policy["podSelector"]["matchLabels"] == pod["metadata"]["labels"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == [port["name"] for port in pod["spec"]["containers"][0]["ports"]]


def test_pods_are_added_by_a_figure_that_the_server_has() -> None:
    (metric,) = one("HorizontalPodAutoscaler")["spec"]["metrics"]
    source = (ROOT / "hoshikage" / "protocols" / "hoshikage" / "metrics.py").read_text("utf-8")
    assert f'"{metric["pods"]["metric"]["name"]}"' in source
