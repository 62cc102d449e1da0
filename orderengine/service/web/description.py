"""Complete the description of the API from the rules of access: who may ask, and every refusal.

What the framework knows of a route are its parameters and bodies. Whether it needs a key, how it is
refused, and how a whole request looks follow from its row and from the examples of its parts.
"""

from __future__ import annotations

from shlex import quote
from typing import Any
from urllib.parse import urlencode

import msgspec

from orderengine.service.access.problem import problem_of
from orderengine.service.access.rules import Access, Rule, find_rule
from orderengine.service.web.examples import ANSWERS

__all__ = ["described"]

_REFUSALS = {
    400: ("INVALID_REQUEST", "not a request of this API", "sell: Object missing required field"),
    401: ("UNAUTHENTICATED", "no key, or none that is valid", "a valid API key is needed"),
    403: ("FORBIDDEN", "an operator's key is needed, or a foreign page asks", "not allowed"),
    404: ("UNKNOWN_ORDER", "no such order of yours", "no such order"),
    408: ("TOO_SLOW", "the request did not come whole within ten seconds", "too slow"),
    413: ("TOO_LARGE", "a body that is too large", "a body has at most 65536 bytes"),
    415: ("NOT_JSON", "a body that is not JSON", "the body must be plain application/json"),
    422: ("ORDER_TOO_LARGE", "understood, but not possible", "at most 1000 base units, was 1001"),
    429: ("RATE_LIMITED", "too many requests, or open orders", "try again in 7 s"),
    503: ("UNAVAILABLE", "the same request may succeed later", "the database cannot be written"),
}
"""By status: a code, when it comes, and words that may come with it."""
_OF_OPERATORS = frozenset({Access.PROBE, Access.OPERATOR})
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable, for programs"},
        "detail": {"type": "string", "description": "for people"},
    },
}
_RETRY_AFTER = {
    "Retry-After": {"description": "whole seconds to wait", "schema": {"type": "integer"}}
}


def described(schema: dict[str, Any], *, asks_for_keys: bool = True) -> bytes:
    """Return the JSON of a complete description, of a service with keys or without."""
    schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            rule = find_rule(method.upper(), path)
            if rule is not None:
                _complete(path, rule, operation)
            if not asks_for_keys:
                operation.pop("security", None)
    if not asks_for_keys:
        schema.pop("security", None)
    return msgspec.json.encode(schema)


def _complete(path: str, rule: Rule, operation: dict[str, Any]) -> None:
    is_open = rule.access in {Access.OPEN, Access.PROBE}
    if is_open:
        operation["security"] = []
    operation["tags"] = ["Operators" if rule.access in _OF_OPERATORS else "Orders"]
    responses = operation.setdefault("responses", {})
    for status, response in responses.items():
        answer = ANSWERS.get((rule.method, path))
        if status.startswith("2") and answer is not None:
            for content in response["content"].values():
                content["example"] = answer
    for status in _refusals(path, rule):
        responses[str(status)] = _refusal(status)
    example = {"lang": "Shell", "label": "curl", "source": _curl(path, rule, operation)}
    operation["x-codeSamples"] = [example]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header":  # a page would send one key again
            parameter.pop("examples", None)
            parameter["schema"].pop("examples", None)


def _refusals(path: str, rule: Rule) -> list[int]:
    if rule.access is Access.PROBE:
        return [400, 503] if path == "/health/ready" else [400]
    found = [429, 503] if rule.access is Access.OPEN else [401, 403, 429, 503]
    if rule.has_body:
        found += [408, 413, 415, 422]
    if "{" in path:
        found.append(404)
    return [*found, 400]


def _refusal(status: int) -> dict[str, Any]:
    code, why, detail = _REFUSALS[status]
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": problem_of(status, code, detail),
    }
    found: dict[str, Any] = {
        "description": why,
        "content": {"application/problem+json": content},
    }
    return found | ({"headers": _RETRY_AFTER} if status in {429, 503} else {})


def _curl(path: str, rule: Rule, operation: dict[str, Any]) -> str:
    """Return a command that sends the request, made of the examples of its parts."""
    query: dict[str, Any] = {}
    words = ["curl"] if rule.method == "GET" else ["curl", "-X", rule.method]
    if rule.access in {Access.USER, Access.OPERATOR}:
        words += ["-H", '"Authorization: Bearer $ORDERENGINE_KEY"']
    for parameter in operation.get("parameters", ()):
        value = _example(parameter)
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(value))
        elif parameter["in"] == "query" and value is not None:
            query[parameter["name"]] = value
        elif value is not None:
            words += ["-H", quote(f"{parameter['name']}: {value}")]
    body = operation.get("requestBody")
    if body is not None:
        (content,) = body["content"].values()
        content["example"] = _example(content["schema"])
        words += ["-H", quote("Content-Type: application/json")]
        words += ["-d", quote(msgspec.json.encode(content["example"]).decode())]
    url = f"http://127.0.0.1:3000{path}{'?' + urlencode(query) if query else ''}"
    return " ".join([*words, quote(url)])


def _example(part: dict[str, Any]) -> Any:  # noqa: ANN401  (JSON)
    """Return the first example of a parameter, or of a body's schema; None if there is none."""
    examples = part.get("examples") or [None]
    return examples[0] if isinstance(examples, list) else next(iter(examples.values()))["value"]
