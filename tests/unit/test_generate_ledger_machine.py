"""Any history of a ledger: writers that add, end and die, merging, copying, damage; readers look after every step."""

import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from scripts.common.schemas import GENERATIONS
from scripts.generate import compact, journal, ledger, seal, segment
from tests.unit.test_generate_ledger import row as ledger_row

IDS = [f"prompt-{number}" for number in range(8)]
ROWS = st.lists(
    st.builds(
        lambda prompt_id, reason, attempt, recipe: ledger_row(prompt_id, attempt, reason, recipe),
        st.sampled_from(IDS),
        st.sampled_from(["stop", "stop", "length", "error", "refused"]),
        st.integers(1, 2),
        st.sampled_from(["ours", "ours", "another"]),
    ),
    min_size=1,
    max_size=4,
)


def key(row):
    return tuple(row[name] for name in GENERATIONS.names)


def contents(folder):
    """The distinct rows of a ledger."""
    return {key(row) for table in ledger.segments(folder) for row in table.to_pylist()}


def sealed(folder, scratch):
    """Rows and rejections of a part that asks for all prompts."""
    outcome = seal.Outcome()
    with seal.scratch_folder(scratch / "sealed") as place:
        batches = list(seal.seal(IDS, folder, "ours", place, outcome))
    return pa.Table.from_batches(batches, GENERATIONS).to_pylist(), outcome


class History(RuleBasedStateMachine):
    """`safe` are the rows that the ledger has promised to keep."""

    writers = Bundle("writers")

    def __init__(self):
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        self.folder = self.home / "ledger"
        self.folder.mkdir()
        self.safe = set()
        self.jobs = 0
        self.alive = set()
        self.attempts = set()

    def teardown(self):
        shutil.rmtree(self.home)

    def new_job(self):
        self.jobs += 1
        return f"job{self.jobs}"

    def fresh(self, job, rows):
        """The rows with attempts that this job has not made before."""
        kept = {}
        for row in rows:
            attempt = (job, row["prompt_id"], row["recipe"], row["attempt"])
            if attempt not in self.attempts:
                kept.setdefault(attempt, row)
        self.attempts |= set(kept)
        return list(kept.values())

    def at_rest(self, path):
        """Whether this is no journal of a living job."""
        return path.suffix == ".parquet" or path.name.split("-")[0] not in self.alive

    @rule(target=writers, rows_per_segment=st.integers(1, 4))
    def a_job_starts(self, rows_per_segment):
        job = self.new_job()
        self.alive.add(job)
        return job, ledger.Writer(self.folder, job, rows_per_segment)

    @rule(writer=writers, rows=ROWS)
    def a_job_adds_rows(self, writer, rows):
        job, writing = writer
        rows = self.fresh(job, rows)
        writing.add(rows)
        self.safe |= {key(row | {"job": job}) for row in rows}

    @rule(writer=writers)
    def a_job_ends_or_a_round_of_it(self, writer):
        writer[1].close()

    @rule(writer=consumes(writers), row=ROWS, cut=st.integers(0, 200))
    def a_job_is_killed_in_the_middle_of_a_line(self, writer, row, cut):
        self.alive.remove(writer[0])
        open_journals = list(self.folder.glob(f"{writer[0]}-*.journal"))
        if open_journals:
            line = journal.to_line(row[0] | {"job": writer[0]})
            with open_journals[-1].open("ab") as file:
                file.write(line[: min(cut, len(line) - 1)])

    @rule(writer=consumes(writers), cut=st.none() | st.integers(1, 200))
    def a_job_is_killed_while_it_makes_a_segment(self, writer, cut):
        self.alive.remove(writer[0])
        for path in self.folder.glob(f"{writer[0]}-*.journal"):
            table = pa.Table.from_pylist(journal.read(path.read_bytes())[0], schema=GENERATIONS)
            segment.write(path.with_suffix(".parquet"), table)
            if cut is not None:  # before the renaming
                whole = path.with_suffix(".parquet")
                whole.with_name(f".{whole.name}.1234.tmp").write_bytes(whole.read_bytes()[:cut])
                whole.unlink()

    @rule(back=st.sets(st.integers(0, 9)))
    def segments_are_merged_and_some_not_removed(self, back):
        before = {path: path.read_bytes() for path in self.folder.glob("*.parquet")}
        compact.main(["--ledgers", str(self.folder)])
        for number, (path, content) in enumerate(before.items()):
            if number in back:
                path.write_bytes(content)

    @rule(rows=ROWS, rows_per_segment=st.integers(1, 4), ends=st.booleans())
    def the_ledger_of_another_cluster_is_copied_in(self, rows, rows_per_segment, ends):
        other, job = self.home / "other", self.new_job()
        writer = ledger.Writer(other, job, rows_per_segment)
        rows = self.fresh(job, rows)
        for row in rows:
            writer.add([row])
        if ends:
            writer.close()
        for path in other.iterdir():
            shutil.copy(path, self.folder)
        shutil.rmtree(other)
        self.safe |= {key(row | {"job": job}) for row in rows}

    @rule(name=st.sampled_from(["a.parquet", "z.parquet", "a.journal", "notes.txt"]), content=st.binary(max_size=30))
    def a_foreign_file_appears(self, name, content):
        (self.folder / name).write_bytes(content)

    @rule(data=st.data())
    def a_bit_is_turned(self, data):
        """Exactly the rows that only this file held (a line of it, if it is a journal) are missing, or none."""
        files = [path for path in self.folder.glob("*-*") if path.stat().st_size and self.at_rest(path)]
        if not files:
            return
        files.sort()
        path = data.draw(st.sampled_from(files))
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        lines = bytes(content).split(b"\n")
        path.rename(self.home / path.name)
        elsewhere = contents(self.folder)
        held = self.safe - elsewhere
        if path.suffix == ".journal":
            first = bytes(content[:place]).count(b"\n")
            hit = lines[first : first + 1 + (content[place : place + 1] == b"\n")]
            held &= {key(row) for row in map(journal.from_line, hit) if row is not None}
        content[place] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        (self.home / path.name).unlink()
        before = len(list(self.folder.glob("aside/*")))
        missing = self.safe - contents(self.folder)
        assert missing in (set(), held)
        if missing and path.suffix == ".parquet":
            assert len(list(self.folder.glob("aside/*"))) == before + 1
        self.safe -= missing

    @invariant()
    def what_was_promised_is_there(self):
        assert contents(self.folder) == self.safe
        ours = [dict(zip(GENERATIONS.names, row, strict=True)) for row in self.safe]
        ours = [row for row in ours if row["recipe"] == "ours"]
        done = {row["prompt_id"] for row in ours if row["finish_reason"] in ledger.USABLE}
        found = ledger.finished(self.folder, "ours")
        assert found.done == done
        assert set(found.attempts) == {row["prompt_id"] for row in ours} - done

    @rule()
    def the_part_is_sealed_as_if_its_rows_had_always_been_in_one_file(self):
        plain = self.home / "plain"
        rows = [dict(zip(GENERATIONS.names, row, strict=True)) for row in sorted(self.safe)]
        segment.write(plain / "job-0000.parquet", pa.Table.from_pylist(rows, schema=GENERATIONS))
        texts, outcome = sealed(self.folder, self.home)
        assert (texts, outcome) == sealed(plain, self.home)
        shutil.rmtree(plain)
        ids = [row["prompt_id"] for row in texts]
        rejected = [prompt_id for prompt_id, _, _ in outcome.rejected]
        assert ids == sorted(set(ids))
        assert sorted(ids + rejected) == IDS


History.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestHistory = History.TestCase
