"""A dataset repository of the Hub: what it holds, how files get into it, and what its refusals mean."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.common.errors import InputError
from scripts.common.logging import get_logger
from scripts.common.units import readable_size
from scripts.dataset.finished import DATA_FILE, File
from scripts.seeds.patience import RETRY_STATUS, Transient, retry_after

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NEW, CHANGED, SAME = "new", "changed", "there already"
LOGIN = "set HF_TOKEN to a token with write permission (https://huggingface.co/settings/tokens), or `hf auth login`"

log = get_logger("push_dataset")


@dataclasses.dataclass(frozen=True)
class Remote:
    """A repository as it is now.

    Args:
        commit: its latest one; empty for a repository that does not exist.
        private: whether it is.
        files: path → (size, checksum), the SHA-256 of large files and git's id of others.
    """

    commit: str = ""
    private: bool = True
    files: Mapping[str, tuple[int, str]] = dataclasses.field(default_factory=dict)

    def state(self, file: File) -> str:
        """Whether the repository has a file."""
        if file.name not in self.files:
            return NEW
        size, checksum = self.files[file.name]
        if size != file.size:
            return CHANGED
        return SAME if checksum == (file.sha256 if len(checksum) == 64 else file.git_id) else CHANGED

    def stale(self, files: Sequence[File]) -> list[str]:
        """Data files of an earlier version, which would be read together with the new ones."""
        ours = {file.name for file in files}
        return sorted(name for name in self.files if DATA_FILE.fullmatch(Path(name).name) and name not in ours)


def look(api: "HfApi", repository: str) -> Remote:
    """The repository as it is now."""
    from huggingface_hub import RepoFile
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.dataset_info(repository)
    except RepositoryNotFoundError:
        return Remote()
    tree = api.list_repo_tree(repository, repo_type="dataset", recursive=True, revision=info.sha)
    files = {
        entry.path: (entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id)
        for entry in tree
        if isinstance(entry, RepoFile)
    }
    return Remote(info.sha, bool(info.private), files)


def upload(api: "HfApi", repository: str, private: bool, files: Sequence[File]) -> Remote:
    """Makes the repository hold these files, and returns it as it is then.

    Raises:
        InputError: it is public and must not be.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
    remote = look(api, repository)
    if private and not remote.private:
        raise InputError(
            f"{repository} is public, but the config key dataset.private is true. Make it private in its settings, "
            "give another dataset.repository, or set dataset.private to false. Nothing was uploaded."
        )
    changed = [file for file in files if remote.state(file) != SAME]
    additions = [CommitOperationAdd(file.name, str(file.path)) for file in changed]
    for number, (file, addition) in enumerate(zip(changed, additions, strict=True), start=1):
        log.info("%s, %s (%d of %d)", file.name, readable_size(file.size), number, len(changed))
        api.preupload_lfs_files(repository, [addition], repo_type="dataset", free_memory=False)
    deletions = [CommitOperationDelete(name) for name in remote.stale(files)]
    if additions or deletions:
        api.create_commit(
            repository,
            [*additions, *deletions],
            commit_message=f"{sum(file.rows or 0 for file in files):,} rows in {len(files)} files",
            repo_type="dataset",
            parent_commit=remote.commit or None,
        )
    return look(api, repository)


def verify(remote: Remote, files: Sequence[File], repository: str) -> None:
    """Compares the repository with the dataset, file by file.

    Raises:
        InputError: they differ.
    """
    wrong = [file.name for file in files if remote.state(file) != SAME] + remote.stale(files)
    if wrong:
        raise InputError(
            f"{repository} does not hold what was uploaded: {', '.join(wrong[:5])} ({len(wrong)} of {len(files)} "
            "files). Was it changed by somebody else meanwhile? Run again: only what differs is sent."
        )


@contextlib.contextmanager
def translated(repository: str) -> Iterator[None]:
    """Errors of the client become `Transient` where trying again may help, else say what to do."""
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        try:
            yield
        except RuntimeError as error:  # so the client wraps what went wrong with one file
            raise error.__cause__ or error from error
    except HFValidationError as error:
        raise InputError(
            f"`{repository}` is no name of a repository (config key dataset.repository): give <user or "
            "organisation>/<name>, of letters, digits, `-`, `_` and `.`."
        ) from error
    except OfflineModeIsEnabled as error:
        raise InputError("HF_HUB_OFFLINE is set, so nothing can be uploaded. Unset it.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in RETRY_STATUS:
            raise Transient(f"the Hub answers {status}", retry_after(error.response.headers)) from error
        raise InputError(refusal(repository, status, error.server_message or "")) from error
    except (HTTPError, ConnectionError, TimeoutError, RuntimeError) as error:
        raise Transient(f"the Hub: {type(error).__name__} {error}") from error


def refusal(repository: str, status: int, message: str) -> str:
    """What to do when the Hub says no."""
    said = f"the Hub answers {status}" + (f" ({' '.join(message.split())[:300]})" if message else "")
    if status == 401:
        return f"{said}: the token is not valid, or not any more. {LOGIN[0].upper()}{LOGIN[1:]}."
    if status == 403:
        return (
            f"{said}: this token may not write to {repository}. Give it write permission for "
            f"{repository.split('/')[0]}, or {LOGIN}; or correct the config key dataset.repository."
        )
    if status in (404, 409, 412):
        return f"{said}: {repository} was removed, renamed or changed meanwhile. Look at it, and run again."
    return f"{said} about {repository}. Nothing is lost: run again, later if need be."


def check_name(repository: str) -> None:
    """Refuses what the Hub would refuse, and names without a user, before anything is asked."""
    from huggingface_hub.utils import validate_repo_id

    with translated(repository):
        validate_repo_id(repository)
    if "/" not in repository:
        raise InputError(
            f"`{repository}` does not say whose it is (config key dataset.repository): give <user>/<name>."
        )
