"""Pages: self-contained HTML from the templates beside this file, and the numbers that the overview compares.

A page needs no network and no other file. Every page rule also writes its figures as SVG files of their own and its
numbers as JSON; the overview holds those numbers against the published ones (resources/claims.tsv).
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.files import write_json, write_text
from scripts.report.claims import Claims

if TYPE_CHECKING:
    from jinja2 import Environment

PAGES = {
    "overview": "Overview",
    "topics": "Topics",
    "prompts": "Prompts",
    "generations": "Texts",
    "duplicates": "Near-duplicates",
    "contamination": "Contamination",
    "training": "Training",
    "evaluation": "Evaluation",
    "provenance": "Provenance",
    "timing": "Timing",
}


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the flags that all pages share."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--run", required=True, help="name of the run")
    result.add_argument("--scale", required=True, help="scale of the run: tiny, small or full")
    result.add_argument("--claims", type=Path, required=True, help="table of published figures")
    result.add_argument("--page", type=Path, required=True, help="HTML file to write")
    result.add_argument("--numbers", type=Path, required=True, help="JSON file of the page's numbers to write")
    return result


def write_page(args: argparse.Namespace, **context: Any) -> None:
    """Renders the template of the page's name and writes it; `args` come from `parser`."""
    write_text(args.page, render(args.page.stem, args.run, args.scale, Claims.read(args.claims), **context))


def render(name: str, run: str, scale: str, claims: Claims, **context: Any) -> str:
    """The HTML of a page.

    Args:
        name: a key of `PAGES`; its template is templates/<name>.html.
        run: the folder under results/.
        scale: tiny, small, full or a site's own.
        claims: the published figures; templates call `published(path of our figure)`.
        context: what the template shows; SVG documents go through the filter `safe`.
    """
    templates = environment()
    templates.globals["published"] = claims.text
    return templates.get_template(f"{name}.html").render(page=name, pages=PAGES, run=run, scale=scale, **context)


def environment(*folders: Path) -> "Environment":
    """Jinja with our filters, everything escaped; looks for templates in these folders and then beside this file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    result = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    result.filters |= {"number": number, "percent": percent, "decimal": decimal, "words": words}
    return result


def write_numbers(path: Path, numbers: Mapping[str, Any]) -> None:
    """Writes the numbers of a page; what cannot be known (NaN) becomes null."""
    write_json(path, clean(numbers))


def clean(value: Any) -> Any:
    """Plain JSON values: floats with six significant digits, no NaN."""
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def number(value: float | None) -> str:
    """1,234 or an en dash.

    >>> number(1234), number(None)
    ('1,234', '–')
    """
    return "–" if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    r"""A share as per cent or an en dash.

    >>> percent(0.125), percent(None)
    ('12.5\xa0%', '–')
    """
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f}\xa0%"


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals or an en dash.

    >>> decimal(0.5), decimal(None)
    ('0.50', '–')
    """
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def words(name: str | None) -> str:
    """An identifier as words.

    >>> words("young_children"), words(None)
    ('young children', '–')
    """
    return (name or "–").replace("_", " ")
