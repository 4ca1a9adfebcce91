"""Columns of field values: what seeds can fill into a template, one Arrow array a field, "" where a seed has nothing.

Prompts are made in columns because the paper's run has thirty million of them: cutting, joining and filtering happen in
Arrow's own code over some thousand seeds at once, and Python touches single texts only where they need a closer look.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.prompts.text import excerpt, one_line

_CLOSER_LOOK = "|".join(
    [
        r"^[\s\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]",
        r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{feff}]",
        r"[^\x00-\x{2ff}]\z",
        r"\x{200d}[\x00-\x{2ff}]\z",
    ]
)
"""Texts that are not simply cut: they start with white space, hold what `clean` takes out or replaces, or end, one
character after the cut, in something that may belong to the character before it: above the Latin letters, or joined."""


def field_columns(seeds: pa.RecordBatch, characters: int, wanted: Collection[str]) -> dict[str, pa.Array]:
    """The columns of the wanted fields but the topic.

    A level of the outline that repeats the title tells nothing and is left empty; of the earlier units the latest are
    named, as many as fit in `characters`.
    """
    columns = {"extract": excerpts(seeds["text"], characters)} if "extract" in wanted else {}
    if names := [name for name in ("title", "book", "chapter", "section", "earlier") if name in wanted]:
        rows = [_names(row, characters) for row in seeds.select(["kind", "text", "title", "outline"]).to_pylist()]
        columns |= {name: pa.array([row[name] for row in rows], pa.string()) for name in names}
    return columns


def excerpts(texts: pa.Array, characters: int) -> pa.Array:
    """`excerpt` of every text; the many that need no care are cut by Arrow."""
    heads = pc.fill_null(pc.utf8_slice_codeunits(texts, 0, characters + 1), "")
    delicate = pc.match_substring_regex(heads, _CLOSER_LOOK)
    cut = pc.utf8_rtrim_whitespace(pc.utf8_slice_codeunits(heads, 0, characters))
    if not pc.any(delicate).as_py():
        return cut
    careful = [excerpt(text, characters) for text in texts.filter(delicate).to_pylist()]
    return pc.replace_with_mask(cut, delicate, pa.array(careful, pa.string()))


def _names(seed: Mapping[str, Any], characters: int) -> dict[str, str]:
    outline = seed["outline"] or {}
    book, chapter, section = (one_line(outline.get(level)) for level in ("book", "chapter", "section"))
    title = one_line(seed["title"]) or (one_line(seed["text"]) if seed["kind"] == "title" else section or chapter)
    earlier = [name for name in map(one_line, outline.get("earlier") or []) if name]
    while sum(len(name) + 2 for name in earlier) > characters:
        earlier.pop(0)
    return {
        "title": title,
        "book": book,
        "chapter": "" if chapter == title else chapter,
        "section": "" if section in (title, chapter) else section,
        "earlier": "; ".join(earlier),
    }
