"""Writes config/README.md, the reference of all configuration keys, from the schema, config.yaml and the scales.

With --check it changes nothing and fails when the page, or config.yaml, is out of step with the schema.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import run
from scripts.workflow.config import check, merge

HEAD = """# Configuration

`config.yaml` holds every key with the paper's value. The scale (`scale: tiny`, `small` or `full`) lays
`scales/<scale>.yaml` over it, and what you set yourself wins over both:

```
snakemake --config scale=small fraction=0.1          # single keys
snakemake --configfile my-run.yaml                   # several keys, nested as in config.yaml
```

An unknown key, a wrong type or an unknown scale ends the run with one message before any job starts.
This page is generated from `workflow/schemas/config.schema.yaml` by `make docs`; `make lint` checks it.

"""


def render(schema: Mapping, base: Mapping, scales: Mapping[str, Mapping]) -> str:
    """The page: one table a section, with the value of each scale."""
    configs = {name: merge(base, overlay) for name, overlay in scales.items()}
    sections = [("General", [key for key, sub in schema["properties"].items() if "properties" not in sub])]
    sections += [(key, [key]) for key, sub in schema["properties"].items() if "properties" in sub]
    pages = []
    for title, keys in sections:
        heading = title if title == "General" else f"`{title}`"
        intro = "" if title == "General" else schema["properties"][title]["description"] + "\n\n"
        rows = [row for key in keys for row in leaves(schema["properties"][key], key)]
        lines = [f"| key | meaning | {' | '.join(configs)} |", f"|---|---|{'---|' * len(configs)}"]
        for path, description in rows:
            values = [f"`{show(look_up(config, path))}`" for config in configs.values()]
            lines.append(f"| `{path}` | {description} | {' | '.join(values)} |")
        pages.append(f"## {heading}\n\n{intro}" + "\n".join(lines) + "\n")
    return HEAD + "\n".join(pages)


def leaves(schema: Mapping, path: str) -> Iterator[tuple[str, str]]:
    """(dotted key, description) of every key that holds a value; a mapping whose keys are all optional is one value."""
    properties = schema.get("properties")
    if properties is None:
        yield path, schema["description"]
        return
    if not schema.get("required"):
        yield path, f"{schema['description']} Keys: {', '.join(f'`{key}`' for key in properties)}."
        return
    for key, sub in properties.items():
        yield from leaves(sub, f"{path}.{key}")


def look_up(config: Mapping, path: str) -> Any:
    """The value at a dotted key."""
    value: Any = config
    for step in path.split("."):
        value = value[step]
    return value


def show(value: Any) -> str:
    """A value as it would stand in YAML, on one line and safe in a table."""
    return json.dumps(value, ensure_ascii=False).replace("|", "\\|")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail instead of writing")
    args = parser.parse_args(argv)
    schema = yaml.safe_load(Path("workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    base = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    scales = {
        name: yaml.safe_load(Path(f"config/scales/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("tiny", "small", "full")
    }
    findings = [finding for overlay in scales.values() for finding in check(merge(base, overlay), schema)]
    if findings:
        raise InputError("config/ and its schema differ:\n" + "\n".join(findings))
    page, path = render(schema, base, scales), Path("config/README.md")
    if not args.check:
        write_text(path, page)
    elif not path.exists() or path.read_text(encoding="utf-8") != page:
        raise InputError(f"{path} is out of step with the schema: run `make docs`.")


if __name__ == "__main__":
    run(main)
