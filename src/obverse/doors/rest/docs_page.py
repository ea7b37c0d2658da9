"""The docs page: the OpenAPI document as one readable page, drawn here. No script, nothing from elsewhere."""

from html import escape
from string import Template
from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from obverse.doors.rest.auth import Everyone
from obverse.doors.rest.problems import PROBLEMS
from obverse.doors.rest.services import HttpRequest

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8883; --dim: #8889; --accent: light-dark(#0b6e5c, #5cd6bd);
  --paper: light-dark(#fbfaf7, #14171a); --ink: light-dark(#1b1f23, #e6e3dc); }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 58rem; padding: 2.5rem 1.25rem 6rem; background: var(--paper);
  color: var(--ink); font: 16px/1.6 system-ui, sans-serif }
h1 { font-size: 2rem; margin: 0 }  h2 { margin: 3rem 0 .75rem; text-transform: capitalize }
h3 { margin: 1.25rem 0 .4rem; font-size: .85rem; letter-spacing: .04em; text-transform: uppercase }
a { color: var(--accent) }  code, pre { font: .88em/1.55 ui-monospace, monospace }
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.1rem; margin: 1.5rem 0; padding: .8rem 0;
  border-block: 1px solid var(--line) }  nav a { text-transform: capitalize }
details { border-bottom: 1px solid var(--line) }  details[open] { padding-bottom: 1rem }
summary { cursor: pointer; padding: .55rem 0; display: flex; gap: .8rem; align-items: baseline }
summary span { margin-left: auto; font-size: .9rem; opacity: .75; text-align: right }
b.get, b.post, b.put, b.patch, b.delete { color: var(--accent); font: 600 .75rem ui-monospace, monospace;
  min-width: 3.6rem }
b.post, b.put, b.patch { color: light-dark(#8a4b08, #f0b35f) }
b.delete { color: light-dark(#a3262a, #ff8f8f) }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
td, th { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }  td:first-child { white-space: nowrap }  tr:target { background: #fc03 }
pre { overflow-x: auto; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px }
"""

_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title API</title><link rel="stylesheet" href="/docs/style.css"></head><body>
<h1>$title</h1>
<p>$description Version $version. The same as <a href="/v1/openapi">OpenAPI 3.1</a>.</p>
<nav aria-label="Rooms">$nav<a href="#problems">problems</a></nav>
<p>Send <code>Authorization: Bearer ...</code> and JSON. Amounts are integers in minor units. Lists take
<code>limit</code> and <code>after</code>. A POST that moves money takes an <code>Idempotency-Key</code>: the
same key and body get the same answer. A declined payment is an answer, not an error.</p>
<pre>curl $origin/v1/payments -H "Authorization: Bearer $$KEY" -H "Idempotency-Key: order-1" \\
  --json '{"merchant": "mer_...", "card_number": "...", "exp_month": 11, "exp_year": 2029,
           "cvv": "...", "amount": 34000, "currency": "KRW"}'</pre>
$rooms
<h2 id="problems">problems</h2>
<p>Refusals come as <code>application/problem+json</code> (RFC 9457). Switch on <code>code</code>; quote
<code>request_id</code>.</p>
<table><thead><tr><th>code</th><th>status</th><th>title</th></tr></thead><tbody>$problems</tbody></table>
</body></html>
""")


@get("/", before_request=Everyone(), include_in_schema=False)
async def get_root() -> Redirect:
    """Nobody comes here but people: show them the docs."""
    return Redirect("/docs")


@get("/docs", before_request=Everyone(), include_in_schema=False, media_type="text/html")
async def get_docs(request: HttpRequest) -> Response[str]:
    """The docs page."""
    page = render(request.app.openapi_schema.to_schema(), str(request.base_url).rstrip("/"))
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


@get("/docs/style.css", before_request=Everyone(), include_in_schema=False, media_type="text/css")
async def get_style() -> str:
    """Its style sheet, in a file of its own so that the policy needs no `unsafe-inline`."""
    return _STYLE


def render(schema: dict[str, Any], origin: str) -> str:
    """Draw an OpenAPI document as a page."""
    rooms: dict[str, list[str]] = {}
    for path, item in schema["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                tag = operation.get("tags", ["other"])[0]
                rooms.setdefault(tag, []).append(_operation(method, path, operation, schema))
    info = schema["info"]
    return _PAGE.substitute(
        title=escape(info["title"]),
        description=escape(info["description"]),
        version=escape(info["version"]),
        origin=escape(origin),
        nav="".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in rooms),
        rooms="".join(
            f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>{"".join(ops)}' for tag, ops in rooms.items()
        ),
        problems="".join(
            f'<tr id="{code}"><td><code>{code}</code></td><td>{status}</td><td>{escape(title)}</td></tr>'
            for code, (status, title) in PROBLEMS.items()
        ),
    )


def _operation(method: str, path: str, operation: dict[str, Any], schema: dict[str, Any]) -> str:
    description = operation.get("description", "")
    parts = [f"<p>{escape(description)}</p>"]
    if parameters := operation.get("parameters"):
        rows = [(p["name"], p.get("schema", {}), p.get("required", False)) for p in parameters]
        parts.append("<h3>Parameters</h3>" + _fields(rows, schema))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        parts.append("<h3>Body</h3>" + _object(body, schema))
    for status, response in operation.get("responses", {}).items():
        answer = response.get("content", {}).get("application/json", {}).get("schema")
        if status.startswith("2") and answer:
            parts.append(f"<h3>Answer {status}</h3>" + _object(answer, schema))
    summary = escape(description.split(".")[0])
    return (
        f'<details><summary><b class="{method}">{method.upper()}</b><code>{escape(path)}</code>'
        f"<span>{summary}</span></summary>{''.join(parts)}</details>"
    )


def _object(described: dict[str, Any], schema: dict[str, Any]) -> str:
    shape = _resolve(described, schema)
    required = set(shape.get("required", ()))
    properties = shape.get("properties", {})
    return _fields([(name, inner, name in required) for name, inner in properties.items()], schema)


def _fields(rows: list[tuple[str, dict[str, Any], bool]], schema: dict[str, Any]) -> str:
    drawn = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(inner, schema))}</td>"
        f"<td>{'required' if required else ''}</td><td>{escape(inner.get('description', ''))}</td></tr>"
        for name, inner, required in rows
    )
    return f"<table><tbody>{drawn}</tbody></table>"


def _resolve(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and look through `null` to what may stand in its place."""
    if "$ref" in described:
        name = described["$ref"].rpartition("/")[2]
        found: dict[str, Any] = schema["components"]["schemas"][name]
        return found
    for choice in described.get("oneOf", ()):
        if choice.get("type") != "null":
            return _resolve(choice, schema)
    return described


def _type(described: dict[str, Any], schema: dict[str, Any]) -> str:
    shape = _resolve(described, schema)
    if "enum" in shape:
        return " | ".join(str(value) for value in shape["enum"])
    kind = shape.get("type", "")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if name == "array":
        return f"list of {_type(shape.get('items', {}), schema)}"
    if name == "object" and "title" in shape and "properties" in shape:
        return " { " + ", ".join(shape["properties"]) + " }"
    limits = [f"{word} {shape[key]}" for word, key in _LIMITS if key in shape]
    return ", ".join([name, *limits])


_LIMITS: Final = (("from", "minimum"), ("to", "maximum"), ("matching", "pattern"))


def _anchor(tag: str) -> str:
    return tag.replace(" ", "-")


ROUTES: Final[list[HTTPRouteHandler]] = [get_root, get_docs, get_style]
