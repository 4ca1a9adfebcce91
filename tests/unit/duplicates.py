"""Near-duplicates as the tests of that stage make and find them."""

from scripts.common.schemas import NEAR_DUPLICATES, PROMPTS
from scripts.common.tables import read_table, write_table
from scripts.deduplicate import buckets, clusters, members, signatures, verify
from scripts.deduplicate.minhash import by_rank
from tests.unit.sealed import arguments, sealed_part

SOURCES = ("web", "stories")


def words(*ranges):
    """A text whose words are numbers spelled in letters, so that its shingles are known."""
    letters = str.maketrans("0123456789", "abcdefghij")
    return " ".join(f"w{number}".translate(letters) for start, stop in ranges for number in range(start, stop))


def code(number, lines=40, changed=16):
    """A program of a family: all share their lines but for some, which name things of their own."""
    own = {(7 * line) % lines for line in range(changed)}
    text = []
    for line in range(lines):
        name = f"item{chr(97 + number % 26)}{chr(97 + number // 26)}" if line in own else "row"
        text.append(f"read the {name} of {words((line, line + 1))} table and add its value to the total of column")
    return ". ".join(text)


def seal(folder, parts, sources=("web",), seeds=None):
    """Writes parts, lists of (id, text), in turn to each of the sources; returns generations, decisions and prompts.

    Seed and format follow from the id alone, a seed of its own each if `seeds` does not name another.
    """
    sealed = []
    for number, part in enumerate(parts):
        source, name = sources[number % len(sources)], f"{number // len(sources):03d}"
        prompts = folder / "prompts" / source / f"part-{name}.parquet"
        ids = [prompt_id for prompt_id, _ in part]
        asked = [
            {
                "prompt_id": prompt_id,
                "language": "en",
                "seed_id": (seeds or {}).get(prompt_id, f"seed of {prompt_id}"),
                "format": ("blogpost", "wikihow")[sum(prompt_id.encode()) % 2],
            }
            for prompt_id in ids
        ]
        write_table(prompts, asked, PROMPTS)
        sealed.append((*sealed_part(folder, [text for _, text in part], ids, source=source, part=name), prompts))
    return sealed


def find_clusters(folder, sealed, rounds=1):
    """Runs the stage up to the clusters, in that folder."""
    folders = [folder / "signatures" / texts.parent.name / texts.stem for texts, *_ in sealed]
    for (generations, decisions, _), output in zip(sealed, folders, strict=True):
        signatures.main(arguments(generations=generations, decisions=decisions, rounds=rounds, output=output))
    pairs = [folder / f"buckets/{number:03d}.dups" for number in range(14 * rounds)]
    for number, output in enumerate(pairs):
        buckets.main(arguments(signatures=folders, bucket=number, rounds=rounds, output=output))
    table, figures = folder / "clusters.parquet", folder / "minhash.json"
    clusters.main(arguments(pairs=pairs, rounds=rounds, output=table, minhash=figures))


def find_members(folder, sealed, maximum_cluster=1000):
    """Runs deduplicate_members on all parts."""
    ranks = {path: rank for rank, path in enumerate(by_rank(texts for texts, *_ in sealed))}
    for generations, decisions, prompts in sealed:
        output = folder / "members" / generations.parent.name / generations.name
        members.main(
            arguments(
                generations=generations,
                decisions=decisions,
                prompts=prompts,
                clusters=folder / "clusters.parquet",
                rank=ranks[generations],
                maximum_cluster=maximum_cluster,
                output=output,
                counts=output.with_suffix(".counts.json"),
            )
        )


def check(folder, sealed, minimum_jaccard=0.7, maximum_cluster=1000, rounds=1):
    """Runs deduplicate_verify."""
    found = [folder / "members" / texts.parent.name / texts.name for texts, *_ in sealed]
    verify.main(
        arguments(
            generations=[texts for texts, *_ in sealed],
            members=found,
            documents=[path.with_suffix(".counts.json") for path in found],
            minhash=folder / "minhash.json",
            rounds=rounds,
            minimum_jaccard=minimum_jaccard,
            maximum_cluster=maximum_cluster,
            output=folder / "removed.parquet",
            summary=folder / "summary.json",
            counts=folder / "counts.json",
        )
    )


def deduplicate(folder, parts, minimum_jaccard=0.7, maximum_cluster=1000, rounds=1, **options):
    """Runs the whole stage on parts, lists of (id, text), and returns the folder of its results."""
    sealed = seal(folder, parts, **options)
    find_clusters(folder, sealed, rounds)
    find_members(folder, sealed, maximum_cluster)
    check(folder, sealed, minimum_jaccard, maximum_cluster, rounds)
    return folder


def removed(folder):
    """The rows of removed.parquet."""
    return read_table(folder / "removed.parquet", NEAR_DUPLICATES).to_pylist()
