"""Datasets of the Hugging Face Hub: which commit, how they are streamed, and what to do when they cannot be had.

The client libraries repeat requests themselves (and honour Retry-After); what they give up becomes `Transient`, so that
a download goes on from its last shard.
"""

from typing import Any

from scripts.common.errors import InputError
from scripts.seeds.fetch import Refused
from scripts.seeds.patience import RETRY_STATUS, Transient, retry_after
from scripts.seeds.sources import Entry, is_commit

PAGE = "https://huggingface.co/datasets"


def open_stream(entry: Entry, revision: str) -> Any:
    """The source as a `datasets.IterableDataset`, or raises what `translate` makes of the library's errors."""
    from datasets import load_dataset

    try:
        return load_dataset(
            entry.dataset, entry.config or None, split=entry.split, revision=revision or None, streaming=True
        )
    except Exception as error:
        raise translate(error, entry) from error


def resolve_revision(entry: Entry) -> str:
    """The commit that a dataset stands at now, so that a resumed download never mixes two versions."""
    if is_commit(entry.revision) or entry.location.startswith("/"):
        return entry.revision
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(entry.dataset, revision=entry.revision or None).sha
    except Exception as error:
        raise translate(error, entry) from error


def file_address(entry: Entry, revision: str) -> tuple[str, dict[str, str]]:
    """The address of a file of a dataset, and the headers with the user's token."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(entry.dataset, entry.hub_file, repo_type="dataset", revision=revision or None)
    return url, build_hf_headers()


def file_checksum(entry: Entry, revision: str) -> tuple[str, str]:
    """Size and SHA-256 of a file of a dataset; the checksum is empty for a small file, which the Hub does not hash."""
    from huggingface_hub import HfApi

    try:
        (info,) = HfApi().get_paths_info(entry.dataset, [entry.hub_file], revision=revision, repo_type="dataset")
    except Exception as error:
        raise translate(error, entry) from error
    return str(info.size), info.lfs.sha256 if info.lfs else ""


def translate(error: Exception, entry: Entry) -> Exception:
    """`Transient` for what may be over soon, `InputError` for what the user can mend, else the error itself."""
    from datasets.exceptions import DatasetsError
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, InputError | Transient):
        return error
    if isinstance(error, OfflineModeIsEnabled) or "offline mode" in str(error).lower():
        return InputError(f"{entry.called}: HF_HUB_OFFLINE is set, so nothing can be downloaded. Unset it.")
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in RETRY_STATUS:
        return Transient(f"{entry.dataset} answers {status}", retry_after(response.headers))
    if status is None and isinstance(error, HTTPError | ConnectionError | TimeoutError):
        return Transient(f"{entry.dataset}: {type(error).__name__} {error}".strip())
    if isinstance(error, HfHubHTTPError | DatasetsError | OSError | ValueError):
        return refusal(entry, status, error)
    return error


def refusal(entry: Entry, status: int | None, error: Exception) -> InputError:
    """What to do about a dataset, or a file, that is not given."""
    page = f"{PAGE}/{entry.dataset}" if entry.where == "hub" else entry.terms
    name, text = type(error).__name__, " ".join(str(error).split())
    missing = name in ("RepositoryNotFoundError", "DatasetNotFoundError") or status == 404
    if name == "GatedRepoError" or "is a gated dataset" in text or (status in (401, 403) and not missing):
        advice = (
            f"Access has to be asked for: accept the terms at {page}, log in with `hf auth login` or set HF_TOKEN to a "
            "token of that account, and run again"
        )
    elif missing or isinstance(error, Refused):
        advice = (
            f"It has moved, is private or misspelt: look at {page}, correct its location in {entry.registry}, log "
            "in with `hf auth login` or set HF_TOKEN if it is private"
        )
    else:
        advice = f"Look at {page}, and at location, config and split in {entry.registry}"
    return InputError(
        f"{entry.called}: {entry.location} cannot be downloaded ({name}: {text[:500]}). "
        f"{advice}; {entry.how_to_leave_out}. {entry.note}"
    )
