"""Makes fixtures/schemas.json: JSON schemas of the kinds that deploy/kubernetes uses, which refuse unknown fields.

    pip install kubernetes-validate==1.37.0 pyyaml
    python make_schemas.py KEDA > fixtures/schemas.json

Kubernetes's own come from that package (Apache 2.0, made of its OpenAPI), at the oldest version that is still common. KEDA is a checkout of
github.com/kedacore/keda (Apache 2.0), v2.18.1 when this was made. Descriptions are left out: what remains is what is checked.
"""

import json
import sys
from importlib import resources
from pathlib import Path

import yaml

VERSION = "v1.31.0-local-strict"
KINDS = [
    "configmap-v1",
    "deployment-apps-v1",
    "namespace-v1",
    "networkpolicy-networking-v1",
    "persistentvolumeclaim-v1",
    "poddisruptionbudget-policy-v1",
    "secret-v1",
    "service-v1",
    "statefulset-apps-v1",
]
CUSTOM = ["scaledobjects", "triggerauthentications"]
KEEP = {"$ref", "additionalProperties", "allOf", "anyOf", "enum", "format", "items", "oneOf", "properties", "required", "type"}

package = resources.files("kubernetes_validate") / "kubernetes-json-schema" / VERSION
every = json.loads((package / "_definitions.json").read_text())["$defs"]
definitions = {}


def trim(schema):
    """Keeps what decides, and takes the definitions along that it refers to."""
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key not in KEEP:
            continue
        if key == "$ref":
            name = value.rsplit("/", 1)[1]
            if name not in definitions:
                definitions[name] = None
                definitions[name] = trim(every[name])
            value = f"#/definitions/{name}"
        elif key == "properties":
            value = {name: trim(each) for name, each in value.items()}
        elif key in ("allOf", "anyOf", "oneOf"):
            value = [trim(each) for each in value]
        elif key in ("items", "additionalProperties"):
            value = trim(value)
        kept[key] = value
    return kept


def close(schema):
    """A custom resource's schema without the fields that a server would drop: those that are not named."""
    if isinstance(schema, list):
        return [close(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close(value) for key, value in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        if schema.get("type") == "object":
            closed.setdefault("additionalProperties", False)
    return closed


kinds = {}
for kind in KINDS:
    schema = json.loads((package / f"{kind}.json").read_text())
    names = [schema["properties"][name]["enum"][0] for name in ("apiVersion", "kind")]
    kinds["/".join(names)] = trim(schema)
for name in CUSTOM:
    crd = yaml.safe_load((Path(sys.argv[1]) / "config/crd/bases" / f"keda.sh_{name}.yaml").read_text())
    version = crd["spec"]["versions"][0]
    schema = close(version["schema"]["openAPIV3Schema"])
    del schema["properties"]["metadata"]
    trimmed = trim(schema)
    trimmed["properties"]["metadata"] = trim({"$ref": "/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"})
    kinds[f"{crd['spec']['group']}/{version['name']}/{crd['spec']['names']['kind']}"] = trimmed
json.dump({"definitions": definitions, "kinds": kinds}, sys.stdout, separators=(",", ":"), sort_keys=True)
