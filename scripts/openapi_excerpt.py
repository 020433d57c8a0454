"""Cuts out of GitHub's OpenAPI description what the tests' API server is held against.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    .venv/bin/python scripts/openapi_excerpt.py package/generated/api.github.com.json

writes tests/fakes/openapi/github.json. Take the version's number from package/package.json into the commit's message.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent.parent / "tests/fakes/openapi/github.json"
OPERATIONS = {
    "/user": ("get",),
    "/repos/{owner}/{repo}/issues/{issue_number}": ("get",),
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ("get", "post"),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ("patch", "delete"),
    "/repos/{owner}/{repo}/actions/runners": ("get",),
    "/orgs/{org}/actions/runners": ("get",),
    "/orgs/{org}/actions/runner-groups": ("get",),
    "/orgs/{org}/actions/runner-groups/{runner_group_id}/runners": ("get",),
    "/repos/{owner}/{repo}/actions/runs": ("get",),
    "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs": ("get",),
    "/repos/{owner}/{repo}/actions/variables": ("post",),
    "/repos/{owner}/{repo}/actions/variables/{name}": ("get", "patch"),
    "/repos/{owner}/{repo}/commits/{ref}/status": ("get",),
    "/repos/{owner}/{repo}/commits/{ref}/statuses": ("get",),
    "/repos/{owner}/{repo}/statuses/{sha}": ("post",),
    "/repos/{owner}/{repo}/pulls/{pull_number}/files": ("get",),
}
# What only people read, and what makes a description long.
_LEFT_OUT = {
    "description",
    "summary",
    "example",
    "examples",
    "externalDocs",
    "tags",
    "x-github",
    "headers",
    "title",
}


def main() -> None:
    """Write the excerpt."""
    whole = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    paths = {
        path: {method: _strip(whole["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    kept: dict[str, Any] = {}
    left = [_references(paths)]
    while left:
        for name in left.pop():
            section, key = name.removeprefix("#/components/").split("/", 1)
            if key not in kept.setdefault(section, {}):
                kept[section][key] = _strip(whole["components"][section][key])
                left.append(_references(kept[section][key]))
    OUT.parent.mkdir(exist_ok=True)
    text = json.dumps({"paths": paths, "components": kept}, separators=(",", ":"), sort_keys=True)
    OUT.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{OUT.name}: {len(text)} bytes, version {whole['info']['version']}\n")


def _strip(value: Any) -> Any:  # noqa: ANN401  (JSON)
    if isinstance(value, dict):
        return {
            key: _strip(one) if key != "properties" else {name: _strip(field) for name, field in one.items()}
            for key, one in value.items()
            if key not in _LEFT_OUT
        }
    return [_strip(one) for one in value] if isinstance(value, list) else value


def _references(value: Any) -> set[str]:  # noqa: ANN401  (JSON)
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(_references(one) for one in value.values()))
    return set().union(*(_references(one) for one in value)) if isinstance(value, list) else set()


if __name__ == "__main__":
    main()
