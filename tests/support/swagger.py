"""Docker's contract as a check of replies: does this status, this body, fit the YAML?

Stricter than the YAML in one way and laxer in another, both by what clients bear: numbers, booleans and texts are never null
(.NET), while arrays and objects may be (Go writes them so), unless they are required.
"""

import functools
import json
import re
from typing import Any

import yaml

from tests.support.shared import ENGINE_API, shared

Schema = dict[str, Any]

_TYPES = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_METHODS = ("get", "head", "post", "put", "delete")


class Contract:
    """Docker's YAML."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.definitions: dict[str, Schema] = document["definitions"]
        self.operations: dict[tuple[str, str], dict[str, Any]] = {
            (method.upper(), path): operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if method in _METHODS
        }
        # Docker's own answer is null until the exec has ended, and clients poll for that.
        exec_inspect = self.operations["GET", "/exec/{id}/json"]["responses"][200]["schema"]["properties"]
        exec_inspect["ExitCode"]["x-nullable"] = True
        self._routes = [
            (method, re.compile(re.sub(r"\\\{[^}]*\\\}", ".+", re.escape(path))), path)
            for method, path in sorted(self.operations, key=lambda key: (key[1].count("{"), -len(key[1])))
        ]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation that a request means; None for one that Docker does not have."""
        for known, pattern, template in self._routes:
            if known == method and pattern.fullmatch(path):
                return self.operations[known, template]
        return None

    def check(self, method: str, path: str, status: int, content_type: str, data: bytes) -> None:
        """AssertionError, saying where, for a reply that does not fit."""
        operation = self.operation(method, path)
        if operation is None or method == "HEAD":
            return
        answer = operation["responses"].get(status)
        if answer is None:
            assert status >= 400, f"{method} {path}: Docker never answers {status}"
            answer = {"schema": {"$ref": "#/definitions/ErrorResponse"}}
        schema = answer.get("schema")
        if schema is None or not content_type.startswith("application/json"):
            return
        # A stream is one JSON text a line; anything else is a single one.
        texts = data.splitlines() if path == "/events" else [data]
        for text in texts:
            self.validate(schema, json.loads(text), f"{method} {path} {status}")

    def reply(self, method: str, path: str, status: int, value: Any) -> None:
        """A value against what an operation answers with this status."""
        operation = self.operation(method, path)
        assert operation is not None
        self.validate(operation["responses"][status]["schema"], value, f"{method} {path} {status}")

    def named(self, name: str, value: Any) -> None:
        """A value against one definition."""
        self.validate({"$ref": f"#/definitions/{name}"}, value, name)

    def validate(self, schema: Schema, value: Any, where: str) -> None:
        """A value against a schema."""
        schema = self._flat(schema)
        kind = schema.get("type") or ("object" if "properties" in schema else None)
        if value is None:
            assert schema.get("x-nullable") or kind in ("array", "object", None), f"{where}: null"
            return
        if kind is not None:
            assert _TYPES[kind](value), f"{where}: {value!r} is no {kind}"
        if schema.get("enum") and kind == "string":
            assert value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
        if schema.get("format") == "dateTime":
            assert _DATE_TIME.fullmatch(value), f"{where}: {value!r} is no time"
        if isinstance(value, list):
            for position, item in enumerate(value):
                self.validate(schema.get("items", {}), item, f"{where}[{position}]")
        elif isinstance(value, dict):
            self._validate_object(schema, value, where)

    def _validate_object(self, schema: Schema, value: dict[str, Any], where: str) -> None:
        for key in schema.get("required", ()):
            assert value.get(key) is not None, f"{where}.{key}: missing"
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties")
        for key, item in value.items():
            if key in properties:
                self.validate(properties[key], item, f"{where}.{key}")
            elif isinstance(extra, dict):
                self.validate(extra, item, f"{where}.{key}")

    def _flat(self, schema: Schema) -> Schema:
        """A schema with its references and allOf put in."""
        if "$ref" in schema:
            return self._flat(self.definitions[schema["$ref"].rpartition("/")[2]]) | {
                key: value for key, value in schema.items() if key == "x-nullable"
            }
        if "allOf" not in schema:
            return schema
        flat: Schema = {key: value for key, value in schema.items() if key != "allOf"}
        properties: dict[str, Any] = {}
        for part in map(self._flat, schema["allOf"]):
            properties |= part.get("properties", {})
            flat = part | flat
        return flat | ({"properties": properties | schema.get("properties", {})} if properties else {})


@functools.cache
def _load() -> Contract:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Contract(yaml.load(ENGINE_API.read_text(), Loader=loader))


def contract() -> Contract:
    """The contract; skips the test where Docker's file is not on this machine."""
    shared(ENGINE_API)
    return _load()


def contract_if_present() -> Contract | None:
    """The contract, or None where Docker's file is not on this machine."""
    return _load() if ENGINE_API.exists() else None
