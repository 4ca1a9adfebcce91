"""Uploads the finished dataset to the Hugging Face Hub, or tells what an upload would do.

Without --upload nothing is changed, here or there: the program checks that the dataset is whole (finished.py), lists
its files with their sizes and rows, and says of each whether the repository has it already, with the same content.
Files of the same size are read for that, to be compared by checksum; at the end of an upload all are.

An upload sends the files one by one with the Hub's own client and then makes a single commit of them all, which also
deletes data files that the dataset does not have any more. So a reader of the repository finds the old dataset or the
new one, never a mixture: `upload_large_folder`, and `upload_folder` with hf_xet, would make many commits. What was sent
stays at the Hub for the commit to come: after an interruption the same command goes on, and sends no finished file
again. At the end the repository is listed and compared again.

The token is that of HF_TOKEN or of `hf auth login`; the client takes it from there, and it is never printed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.logging import run
from scripts.common.units import readable_size
from scripts.dataset.finished import File, read_dataset
from scripts.dataset.hub import LOGIN, SAME, Remote, check_name, look, translated, upload, verify
from scripts.seeds.patience import PATIENCE, Patience, Transient, retrying


def describe(folder: Path, files: Sequence[File], repository: str, private: bool, remote: Remote | None) -> list[str]:
    """Lines that tell what an upload would do; `remote` is None where the Hub was not asked."""
    lines = [f"{folder} → {repository or '(dataset.repository is empty)'}"]
    if remote is None:
        lines.append("the Hub was not asked which of these files it has")
    elif not remote.commit:
        kind = "private" if private else "public"
        lines.append(f"the repository does not exist, or this login may not see it; it would be made, {kind}")
    else:
        lines.append(f"the repository exists and is {'private' if remote.private else 'public'}")
        if private and not remote.private:
            lines.append("an upload would be refused: dataset.private is true")
    states = {file.name: remote.state(file) if remote else "" for file in files}
    width = max(len(file.name) for file in files)
    for file in files:
        rows = "" if file.rows is None else f"{file.rows:>12,} rows"
        lines.append(f"  {file.name:<{width}} {readable_size(file.size):>9} {rows:>17}  {states[file.name]}".rstrip())
    stale = remote.stale(files) if remote else []
    lines += [f"  {name:<{width}} on the Hub only, would be deleted" for name in stale]
    rows = sum(file.rows or 0 for file in files)
    total = f"{len(files)} files, {readable_size(sum(file.size for file in files))}, {rows:,} rows"
    if remote is None:
        return [*lines, total]
    send = [file for file in files if states[file.name] != SAME]
    size = readable_size(sum(file.size for file in send))
    return [*lines, f"{total}; to send: {len(send)} files, {size}; to delete: {len(stale)}"]


def main(argv: Sequence[str] | None = None) -> None:
    """Tells what an upload would do, or uploads."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the finished dataset")
    parser.add_argument("--repository", required=True, help="<user>/<name> on the Hub; may be empty without --upload")
    parser.add_argument("--private", required=True, action=argparse.BooleanOptionalAction)
    parser.add_argument("--upload", required=True, action=argparse.BooleanOptionalAction)
    parser.add_argument("--attempts", type=int, default=PATIENCE.attempts, help="failures in a row before giving up")
    parser.add_argument("--first-wait", type=float, default=PATIENCE.first_wait, help="seconds before trying again")
    args = parser.parse_args(argv)

    from huggingface_hub import HfApi, get_token
    from huggingface_hub.constants import is_offline_mode

    files = read_dataset(args.dataset)
    if args.repository:
        check_name(args.repository)
    api, asked = HfApi(), bool(args.repository) and not is_offline_mode()
    if args.upload:
        _check_upload(args.repository, asked, get_token())

    def patiently(step: Any, *arguments: Any) -> Any:
        def attempt() -> Any:
            with translated(args.repository):
                return step(*arguments)

        try:
            return retrying(Patience(attempts=args.attempts, first_wait=args.first_wait))(attempt)
        except Transient as error:
            raise InputError(f"{error}. Check the network, and run again: what was sent is not sent again.") from error

    remote = patiently(look, api, args.repository) if asked else None
    print("\n".join(describe(args.dataset, files, args.repository, args.private, remote)), flush=True)
    if not args.upload:
        print("Nothing was changed. To upload: snakemake push_dataset --config 'dataset={upload: true}'")
        return
    after = patiently(upload, api, args.repository, args.private, files)
    verify(after, files, args.repository)
    print(f"{args.repository} holds these {len(files)} files now, at commit {after.commit}.")


def _check_upload(repository: str, asked: bool, token: str | None) -> None:
    if not repository:
        raise InputError("an upload needs the config key dataset.repository: <user or organisation>/<name>.")
    if not asked:
        raise InputError("HF_HUB_OFFLINE is set, so nothing can be uploaded. Unset it, and DOWNLOADS_OFFLINE.")
    if not token:
        raise InputError(f"there is no token for the Hub: {LOGIN}.")


if __name__ == "__main__":
    run(main)
