"""The columns of every table of the workflow; tables.py reads and writes them."""

import pyarrow as pa

EMBEDDING_DIMENSION = 384

OUTLINE = pa.struct(
    [
        ("book", pa.string()),
        ("chapter", pa.string()),
        ("section", pa.string()),
        ("earlier", pa.list_(pa.string())),
    ]
)

ASKED = pa.struct([("seed_data", pa.string()), ("format", pa.string()), ("audience", pa.string())])

SEEDS = pa.schema(
    [
        ("seed_id", pa.string()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("title", pa.string()),
        ("outline", OUTLINE),
        ("language", pa.string()),
        ("license", pa.string()),
        ("origin", pa.string()),
        ("asked", ASKED),
    ]
)
"""One seed: `kind` is passage, unit, title, dialogue or prompt; `outline` is null but for units; `earlier` lists the
units already covered; `origin` tells where the row came from (a URL, or file and row); `asked` is what a published
prompt asked for, null for every other kind."""

REJECTED = pa.schema([("id", pa.string()), ("reason", pa.string()), ("detail", pa.string())])
"""Rows that a step kept aside; `id` is the row's id, or file and row number where it has none."""

COURSES = pa.schema(
    [("course_id", pa.string()), ("place", pa.string()), ("title", pa.string()), ("description", pa.string())]
)
"""One course of a catalogue, its description without personal data and logistics; `place` is file and row."""

OUTLINE_UNITS = pa.list_(pa.struct([("title", pa.string()), ("subtopics", pa.list_(pa.string()))]))

OUTLINES = pa.schema(
    [
        ("course_id", pa.string()),
        ("place", pa.string()),
        ("title", pa.string()),
        ("source", pa.string()),
        ("units", OUTLINE_UNITS),
        ("problem", pa.string()),
        ("outline_raw", pa.string()),
        ("cleaned_raw", pa.string()),
    ]
)
"""The outline of one course: `source` is llm, or course when the model gave none that can be used (then `units` is
empty and `problem` tells why); the raw answers are the last ones of the first and of the second pass."""

EMBEDDINGS = pa.schema([("seed_id", pa.string()), ("embedding", pa.list_(pa.float16(), EMBEDDING_DIMENSION))])
"""Unit-length sentence embeddings."""

CLUSTER_SAMPLE = pa.schema(
    [
        ("seed_id", pa.string()),
        ("cluster_id", pa.int32()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("probability", pa.float32()),
    ]
)
"""The clustered sample; cluster −1 is noise."""

ASSIGNMENTS = pa.schema(
    [("seed_id", pa.string()), ("cluster_id", pa.int32()), ("distance", pa.float32()), ("rescued", pa.bool_())]
)
"""The cluster of every document's nearest neighbour in the sample; distance is 1 − cosine. `rescued`: that neighbour
is noise, and the nearest one in a cluster stands in."""

TOPIC_EXAMPLES = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("n_documents", pa.int64()),
        ("keywords", pa.list_(pa.string())),
        ("examples", pa.list_(pa.string())),
        ("samples", pa.list_(pa.list_(pa.string()))),
    ]
)
"""What is seen of a cluster: its size and keywords, `examples` for people, and `samples`, independent choices of
documents for the language model, one for each answer."""

TOPIC_ANSWERS = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("sample", pa.int32()),
        ("attempt", pa.int32()),
        ("raw", pa.string()),
        ("topic", pa.string()),
        ("educational_score", pa.int32()),
        ("problem", pa.string()),
    ]
)
"""One answer of the language model about one sample (from 0) of a cluster; every attempt (from 1) is kept. `problem`
tells why it is not used (else "")."""

TOPICS = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("topic", pa.string()),
        ("educational_score", pa.float32()),
        ("score_min", pa.float32()),
        ("score_max", pa.float32()),
        ("score_agreement", pa.float32()),
        ("agreement", pa.float32()),
        ("n_answers", pa.int32()),
        ("n_documents", pa.int64()),
        ("keywords", pa.list_(pa.string())),
        ("examples", pa.list_(pa.string())),
        ("label_source", pa.string()),
        ("decision", pa.string()),
        ("decided_by", pa.string()),
        ("reason", pa.string()),
    ]
)
"""One cluster. `educational_score` is the median of the `n_answers` usable answers, which go from `score_min` to
`score_max`; `score_agreement` and `agreement` are the shares of them near that score and of that topic (null without
any). `label_source` (of topic and score) is llm, keywords or override; `decision` is kept or removed; `decided_by` is
rule or override."""

PROMPTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("seed_id", pa.string()),
        ("seed_data", pa.string()),
        ("format", pa.string()),
        ("audience", pa.string()),
        ("topic", pa.string()),
        ("topic_in_prompt", pa.bool_()),
        ("template_id", pa.string()),
        ("language", pa.string()),
    ]
)

CANDIDATES = pa.schema([*PROMPTS, ("cell", pa.string()), ("rank", pa.int64())])
"""Prompts before the mix is applied: `cell` is where a prompt belongs in it, the lowest `rank` is taken first."""

GENERATIONS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("text", pa.string()),
        ("text_token_length", pa.int64()),
        ("finish_reason", pa.string()),
        ("attempt", pa.int32()),
        ("sampling_seed", pa.int64()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("recipe", pa.string()),
        ("engine", pa.string()),
        ("job", pa.string()),
    ]
)
"""One attempt at one prompt; the same columns in the ledger and in the sealed parts. `finish_reason` is stop, length,
error (of this attempt) or refused (for good); `text` of the last two is the message. `recipe` is the id of model,
revision and sampling."""

PREVIEW = pa.schema([*PROMPTS, *(GENERATIONS.field(name) for name in ("text", "text_token_length", "finish_reason"))])
"""Prompts that are looked at before all are asked, with their texts; one that has none has a finish reason that says
so and null as its text."""

FLAGS = pa.list_(pa.struct([("rule", pa.string()), ("detail", pa.string())]))

DECISIONS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("flags", FLAGS),
        ("text", pa.string()),
        ("text_token_length", pa.int64()),
    ]
)
"""What clean decided of each sealed text: `decision` is kept or removed, `reason` the rule that removed it (else ""),
`flags` the rules that a kept text fails and may. `text` and its length replace the sealed ones in all later stages;
null means that the text stays as it was generated."""

MINHASH_CLUSTERS = pa.schema(
    [("rank", pa.int32()), ("place", pa.int64()), ("cluster", pa.int64()), ("size", pa.int64())]
)
"""Documents that MinHash connected: the rank of their part, their place among its kept documents, and how many
documents their cluster has."""

CLUSTER_MEMBERS = pa.schema(
    [
        ("cluster", pa.int64()),
        ("size", pa.int64()),
        ("prompt_id", pa.string()),
        ("seed_id", pa.string()),
        ("format", pa.string()),
        ("shingles", pa.list_(pa.uint64())),
    ]
)
"""What of a document is compared inside its cluster; `shingles` are its different hashed word n-grams, ascending, null
where the cluster is too large to be compared."""

NEAR_DUPLICATES = pa.schema(
    [
        ("removed_id", pa.string()),
        ("kept_id", pa.string()),
        ("jaccard", pa.float32()),
        ("cluster", pa.string()),
        ("removed_source", pa.string()),
        ("kept_source", pa.string()),
        ("removed_format", pa.string()),
        ("kept_format", pa.string()),
        ("same_seed", pa.bool_()),
    ]
)
"""Removed documents, each with the kept one that it repeats; a `cluster` is named after its smallest prompt id."""

BENCHMARK_ROWS = pa.schema(
    [
        ("benchmark", pa.string()),
        ("row", pa.string()),
        ("text", pa.string()),
        ("tokens", pa.string()),
        ("n_tokens", pa.int32()),
    ]
)
"""What documents are compared with: `tokens` is the normalised text, its tokens joined by one space."""

CONTAMINATION = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("benchmark", pa.string()),
        ("row", pa.string()),
        ("rule", pa.string()),
        ("ratio", pa.float32()),
        ("span", pa.string()),
        ("decision", pa.string()),
    ]
)
"""Every pair of document and benchmark row that share an n-gram (`rule` ngram), or where the document holds a row that
is shorter than one (short_row). `ratio` is matched characters over the row's, `span` the longest matching block."""

PLANTED = pa.schema(
    [
        ("kind", pa.string()),
        ("benchmark", pa.string()),
        ("row", pa.string()),
        ("host", pa.string()),
        ("expected", pa.string()),
        ("decision", pa.string()),
        ("ratio", pa.float32()),
    ]
)
"""Benchmark rows planted in clean documents to check the scan: how they were changed (`kind`), in which document, and
the decision that the rule asks for beside the one that was made."""

DATASET = pa.schema(
    [
        ("prompt", pa.string()),
        ("text_token_length", pa.int64()),
        ("text", pa.string()),
        ("seed_data", pa.string()),
        ("format", pa.string()),
        ("audience", pa.string()),
        ("prompt_id", pa.string()),
        ("seed_id", pa.string()),
        ("topic", pa.string()),
        ("language", pa.string()),
        ("license", pa.string()),
        ("origin", pa.string()),
    ]
)
"""The six published columns in their published order, then ours."""
