"""Prompts of a batch of seeds: templates joined with columns of field values, ids and ranks of the result.

prompt_id = hash(template id, hash of its wording, prompt text). The rank of a prompt in its cell of the mix, and
whether it names its topic, are drawn from the ids of seed and template, not from the wording: a template that is
reworded asks for the same seeds as before and moves no other prompt.

A published prompt is taken as it stands; what it asked for comes with its seed.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.ids import ID_DIGITS, draws, ids_after
from scripts.common.schemas import CANDIDATES
from scripts.prompts.fields import excerpts, field_columns
from scripts.prompts.mix import PUBLISHED_CELL
from scripts.prompts.templates import Template, pieces

PUBLISHED = "published"
"""The template id of a published prompt."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How prompts are made of seeds.

    Args:
        templates: all templates of the source.
        seed_data: published name of the seeds' origin.
        characters: length of an extract.
        topic_probability: share of the prompts that name the topic, where there is one.
        language: of a seed that tells none.
        cross_language: whether templates fit seeds of other languages too.
    """

    templates: Sequence[Template]
    seed_data: str
    characters: int = 1000
    topic_probability: float = 0.5
    language: str = "en"
    cross_language: bool = False


def prompts_of(seeds: pa.RecordBatch, topics: pa.Array, recipe: Recipe) -> pa.RecordBatch:
    """All prompts of these seeds (CANDIDATES), in the order of the seeds.

    The prompts of one seed stand side by side because they share its extract: so they compress three times as well,
    and faster.

    Args:
        seeds: rows of SEEDS.
        topics: the topic of each, null where it has none.
        recipe: how prompts are made.
    """
    heads = np.frombuffer(bytes.fromhex("".join(identifier[:16] for identifier in seeds["seed_id"].to_pylist())), ">u8")
    heads = heads.astype(np.uint64)
    wanted = {field for template in recipe.templates for field in template.fields}
    columns = field_columns(seeds, recipe.characters, wanted)
    unknown = pc.fill_null(pc.equal(seeds["language"], ""), True)
    columns["language"] = pc.if_else(unknown, recipe.language, seeds["language"])
    made = [_fill(seeds, heads, topics, columns, template, recipe) for template in recipe.templates]
    made.append(_published(seeds, heads, columns["language"], recipe))
    made = [pair for pair in made if len(pair[0])] or made[-1:]
    if len(made) == 1:
        return made[0][1]
    places = np.concatenate([place for place, _ in made])
    prompts = pa.concat_batches([batch for _, batch in made])
    return prompts.take(pa.array(np.argsort(places, kind="stable")))


def join(template: Template, columns: Mapping[str, pa.Array]) -> pa.Array:
    """The prompts for these columns of field values; a clause vanishes from the rows where one of its fields is ""."""
    clauses = {name: _clause(text, columns) for name, text in template.clauses.items()}
    return _concatenate(template.text, {**columns, **clauses})


def _fill(
    seeds: pa.RecordBatch,
    heads: np.ndarray,
    topics: pa.Array,
    columns: Mapping[str, pa.Array],
    template: Template,
    recipe: Recipe,
) -> tuple[np.ndarray, pa.RecordBatch]:
    """The prompts of one template with the seeds that it fits, and where these stand in the batch."""
    fits = pc.equal(seeds["kind"], template.kind)
    if not recipe.cross_language:
        fits = pc.and_(fits, pc.equal(columns["language"], template.language))
    for field in template.needed:
        fits = pc.and_(fits, pc.not_equal(columns[field], ""))
    places = np.flatnonzero(fits.to_numpy(zero_copy_only=False))
    if len(places) < seeds.num_rows:
        seeds, topics, heads = seeds.filter(fits), topics.filter(fits), heads[places]
        columns = {name: column.filter(fits) for name, column in columns.items()}
    named = pa.array(np.zeros(len(heads), bool))
    if template.can_name_topic:
        drawn = draws(heads, f"topic {template.id}") < recipe.topic_probability * 2**63
        named = pc.and_(pc.is_valid(topics), pa.array(drawn))
        columns = {**columns, "topic": pc.if_else(named, topics, "")}
    if template.extract_characters and "extract" in template.fields and template.extract_characters < recipe.characters:
        columns = {**columns, "extract": excerpts(columns["extract"], template.extract_characters)}
    asked = {
        "seed_data": recipe.seed_data,
        "format": template.format,
        "audience": template.audience,
        "template_id": template.id,
        "language": template.language,
        "cell": template.cell,
    }
    prompts = join(template, columns)
    return places, _batch(seeds, heads, prompts, template.digest, asked | {"topic": topics, "named": named})


def _published(
    seeds: pa.RecordBatch, heads: np.ndarray, languages: pa.Array, recipe: Recipe
) -> tuple[np.ndarray, pa.RecordBatch]:
    """The published prompts among the seeds, and where these stand in the batch."""
    fits = pc.and_(pc.equal(seeds["kind"], "prompt"), pc.is_valid(seeds["text"]))
    places = np.flatnonzero(fits.to_numpy(zero_copy_only=False))
    seeds, heads = seeds.filter(fits), heads[places]
    asked = {name: pc.struct_field(seeds["asked"], name) for name in ("seed_data", "format", "audience")}
    asked["seed_data"] = pc.fill_null(asked["seed_data"], recipe.seed_data)
    asked |= {"template_id": PUBLISHED, "language": languages.filter(fits), "cell": PUBLISHED_CELL}
    nothing = {"topic": pa.nulls(len(heads), pa.string()), "named": pa.array(np.zeros(len(heads), bool))}
    return places, _batch(seeds, heads, seeds["text"], "", asked | nothing)


def _batch(
    seeds: pa.RecordBatch, heads: np.ndarray, prompts: pa.Array, digest: str, columns: Mapping[str, pa.Array | str]
) -> pa.RecordBatch:
    """The rows of CANDIDATES; a column given as one text is repeated."""
    repeated = {
        name: pa.repeat(pa.scalar(value), len(heads)) if isinstance(value, str) else value
        for name, value in columns.items()
    }
    template_id = columns["template_id"]
    values = repeated | {
        "prompt_id": _ids(prompts, template_id, digest),
        "prompt": prompts,
        "seed_id": seeds["seed_id"],
        "topic_in_prompt": repeated["named"],
        "rank": pa.array(draws(heads, f"rank {template_id}")),
    }
    return pa.record_batch([values[name] for name in CANDIDATES.names], schema=CANDIDATES)


def _ids(prompts: pa.Array, template_id: str, digest: str) -> pa.Array:
    """The ids of a column of prompts, hashed where their bytes lie."""
    _, offsets, data = prompts.buffers()
    places = np.frombuffer(offsets, np.int32, len(prompts) + 1, 4 * prompts.offset).tolist()
    view = memoryview(data) if data else memoryview(b"")
    digits = ids_after([template_id, digest], [view[start:end] for start, end in itertools.pairwise(places)]).encode()
    ends = np.arange(0, len(digits) + 1, ID_DIGITS, dtype=np.int32)
    return pa.StringArray.from_buffers(len(prompts), pa.py_buffer(ends), pa.py_buffer(digits))


def _clause(text: str, columns: Mapping[str, pa.Array]) -> pa.Array:
    filled = [name for _, name in pieces(text) if name]
    joined = _concatenate(text, columns)
    for name in filled:
        joined = pc.if_else(pc.not_equal(columns[name], ""), joined, "")
    return joined


def _concatenate(text: str, columns: Mapping[str, pa.Array]) -> pa.Array:
    """The pieces of a text joined row by row."""
    parts = [part for literal, name in pieces(text) for part in (literal, columns[name] if name else "")]
    rows = len(next(iter(columns.values())))
    if not any(name for _, name in pieces(text)):
        return pa.repeat(pa.scalar(text), rows)
    return pc.binary_join_element_wise(*parts, "")
