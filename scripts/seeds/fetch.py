"""Fetches one file of the web whole, whatever the server and the network do in between.

Bytes go to a hidden file beside the target, with a note of the version they belong to (ETag or Last-Modified). The next
attempt, of this job or of a later one, asks for the rest of that same version (Range with If-Range); when the server
does not keep ranges, or the file has changed meanwhile, it starts again at the first byte. The target appears only when
all is there and the checksum is the expected one.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from scripts.common.errors import InputError
from scripts.common.files import read_json, sha256_of, write_json
from scripts.seeds.patience import PATIENCE, RETRY_STATUS, Patience, Transient, retry_after, retrying

PROGRESS = 1 << 20
"""Bytes that an attempt must bring for the next one to be counted as the first."""


@dataclasses.dataclass(frozen=True)
class Fetched:
    """A whole file."""

    size: int
    sha256: str
    etag: str


class Refused(InputError):
    """The server's final word: the address needs rights, does not exist or is wrong."""

    def __init__(self, status: int, url: str) -> None:
        meaning = {401: "it asks for a login", 403: "access is denied", 404: "there is no such file", 410: "it is gone"}
        super().__init__(f"{url} answers {status}: {meaning.get(status, 'it cannot be had')}")
        self.status = status


def fetch(
    url: str, path: Path, sha256: str = "", headers: Mapping[str, str] | None = None, patience: Patience = PATIENCE
) -> Fetched:
    """Fetches a file.

    Args:
        url: its address.
        path: where it is to lie.
        sha256: the checksum it must have; empty for any.
        headers: sent along, e.g. a token.
        patience: time-outs and attempts.

    Raises:
        Refused: the server will not give it.
        InputError: it cannot be had now, or has another checksum.
    """
    import httpx

    part = _Part(url, path)
    retry = retrying(patience)
    try:
        with httpx.Client(timeout=patience.timeout, follow_redirects=True, headers=dict(headers or {})) as client:
            while not retry(part.go_on, client):
                pass
    except Transient as error:
        raise InputError(f"{url} cannot be fetched ({error}). What has arrived is kept: run again later.") from error
    result = Fetched(part.bytes.stat().st_size, sha256_of(part.bytes), part.version().get("etag", ""))
    if sha256 and result.sha256 != sha256:
        part.bytes.unlink()
        raise InputError(
            f"{url} has the SHA-256 {result.sha256}, the lock says {sha256}: the file has changed since it was locked. "
            "To take the new version run `snakemake lock_sources`, look at the difference in config/sources.lock.tsv "
            "and run again"
        )
    part.bytes.replace(path)
    part.note.unlink()
    return result


class _Part:
    """What has arrived of a file so far."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.bytes = path.with_name(f".{path.name}.part")
        self.note = path.with_name(f".{path.name}.part.json")
        path.parent.mkdir(parents=True, exist_ok=True)

    def version(self) -> dict[str, str]:
        """The version that the bytes belong to; empty when they are of no use."""
        known = read_json(self.note) if self.bytes.exists() and self.note.exists() else {}
        return known if known.get("url") == self.url else {}

    def go_on(self, client) -> bool:
        """One request. Whether the file is whole now; if not, more of it has arrived.

        Raises:
            Transient: nothing new has arrived.
            Refused: the server will not give it.
        """
        import httpx

        known = self.version()
        offset = self.bytes.stat().st_size if known.get("validator") else 0
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": known["validator"]}
        try:
            with client.stream("GET", self.url, headers=headers) as response:
                if response.status_code == 416:
                    return self._is_whole(response.headers.get("Content-Range", ""), offset)
                _check(response, self.url)
                start = self._start(response, known, offset)
                with self.bytes.open("r+b" if start else "wb") as handle:
                    handle.seek(start)
                    handle.truncate()
                    for chunk in response.iter_raw():
                        handle.write(chunk)
            return True
        except httpx.RequestError as error:
            if self.version().get("validator") and self.bytes.stat().st_size >= offset + PROGRESS:
                return False
            raise Transient(f"{type(error).__name__} {error}".strip()) from error

    def _start(self, response, known: Mapping[str, str], offset: int) -> int:
        """Where the bytes of an answer belong: behind those that are there if both are of one version, else at 0."""
        version = _version(response.headers)
        continues = response.status_code == 206 and version["validator"] == known.get("validator")
        if continues and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            return offset
        self.bytes.unlink(missing_ok=True)
        if response.status_code == 206:
            raise Transient("the file has changed, or the server sent another range than asked for")
        write_json(self.note, {"url": self.url, **version})
        return 0

    def _is_whole(self, content_range: str, offset: int) -> bool:
        """After an answer that there is nothing behind the bytes that are there."""
        if content_range == f"bytes */{offset}":
            return True
        self.bytes.unlink()
        raise Transient("the file has become shorter")


def _version(headers: Mapping[str, str]) -> dict[str, str]:
    """ETag, and what a range can be tied to: a strong ETag, or else the date of the last change."""
    etag = headers.get("ETag", "")
    strong = etag if etag and not etag.startswith("W/") else ""
    return {"etag": etag, "validator": strong or headers.get("Last-Modified", "")}


def _check(response, url: str) -> None:
    if response.status_code in RETRY_STATUS:
        raise Transient(f"{url} answers {response.status_code}", retry_after(response.headers))
    if response.status_code >= 400:
        raise Refused(response.status_code, url)
