"""Bringing the files of the catalogue onto this machine by download.

A file gets its name only after its SHA-256 was found to be the published one. Until then it is called ``NAME.part``;
a download that broke off, or was stopped, goes on where it ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from cascada.config.catalog import PUBLISHED, CatalogEntry, Version
from cascada.data.arrivals import Arrived, unpack, write_receipt
from cascada.errors import ArtifactError, SourceError
from cascada.repro.fingerprint import file_sha256

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]
"""Called with the name of a file, the bytes that are there and the bytes that there will be (None: not known)."""

_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class _TryAgain(Exception):  # noqa: N818 -- no error yet: the server asks for patience, or its answer was cut short
    pass


@dataclass(frozen=True)
class _Download:
    """A file on its way."""

    entry: CatalogEntry
    name: str
    target: Path
    version: Version

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def validator(self) -> Path:
        """File that holds the server's name of the version that the part belongs to."""
        return self.target.with_name(f"{self.target.name}.part.etag")

    @property
    def done(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


def fetch(
    entry: CatalogEntry,
    folder: Path,
    *,
    on_progress: Progress | None = None,
    waits_s: Sequence[float] = _WAITS_S,
) -> list[Arrived]:
    """Download what is missing of a data set, verify every file, and note in a receipt where it came from.

    Parameters
    ----------
    folder
        Data folder; made when missing. Files in it that are the published ones are not downloaded again.
    waits_s
        Seconds to wait before each new attempt; attempts that brought bytes do not count.

    Raises
    ------
    SourceError
        If the entry has no address, the origin cannot be reached, or the disk is full.
    ArtifactError
        If what was downloaded, or what lies there already, is not the published file.
    """
    if not entry.downloadable:
        raise SourceError(
            f"{entry.name!r} cannot be downloaded by its address alone", where=entry.origin,
            expected=entry.obtain,
            hint=f"then: cascada data import PATH --as {entry.name}" if entry.source
            else "then: cascada data import PATH --map FILE, a YAML that says which column is what",
        )  # fmt: skip
    notify = on_progress or (lambda _name, _done, _total: None)
    try:
        with httpx.Client(follow_redirects=True, timeout=httpx.Timeout(60.0, connect=15.0)) as client:
            arrived = [_bring(client, entry, name, folder, notify, waits_s) for name in entry.files]
        return write_receipt(folder, arrived)
    except OSError as error:
        raise SourceError(
            "the download cannot be written", where=str(folder), got=str(error),
            hint="free some disk space; the same command goes on where this one ended",
        ) from error  # fmt: skip


def _bring(
    client: httpx.Client, entry: CatalogEntry, name: str, folder: Path, notify: Progress, waits_s: Sequence[float]
) -> Arrived:
    download = _Download(entry, name, folder / name, entry.published(name))
    if not _is_there(download):
        download.target.parent.mkdir(parents=True, exist_ok=True)
        resumed = download.done > 0
        _download(client, download, notify, waits_s)
        if resumed and file_sha256(download.part) != download.version.sha256:
            logger.warning("the rest of %s did not fit what was there: downloading it anew", name)
            download.forget()
            _download(client, download, notify, waits_s)
        _accept(download)
    size = download.target.stat().st_size
    notify(name, size, size)
    return Arrived(
        name=name, sha256=download.version.sha256, bytes=size, version=PUBLISHED, taken_from=entry.url(name)
    )  # fmt: skip


def _is_there(download: _Download) -> bool:
    if not download.target.exists():
        return False
    found = file_sha256(download.target)
    if found == download.version.sha256:
        return True
    note = next((v.note for v in download.entry.files[download.name] if v.sha256 == found), "not in the catalogue")
    raise ArtifactError(
        "another version of the file lies where the published one belongs",
        where=str(download.target),
        expected=f"sha256 {download.version.sha256}",
        got=f"sha256 {found} ({note})",
        hint="move it away, or name its folder with --data to use it as it is",
    )


def _accept(download: _Download) -> None:
    found = file_sha256(download.part)
    if found != download.version.sha256:
        size = download.done
        download.forget()
        raise ArtifactError(
            f"the download of {download.name} is not the published file; it was removed",
            where=download.entry.url(download.name),
            expected=f"sha256 {download.version.sha256}"
            + (f", {download.version.bytes} bytes" if download.version.bytes is not None else ""),
            got=f"sha256 {found}, {size} bytes",
            hint=f"the origin may have changed: {download.entry.origin}",
        )
    download.part.rename(download.target)
    download.forget()
    unpack(download.target)


def _download(client: httpx.Client, download: _Download, notify: Progress, waits_s: Sequence[float]) -> None:
    patience = iter(waits_s)
    while True:
        before = download.done
        try:
            return _stream(client, download, notify)
        except (httpx.TransportError, _TryAgain) as error:
            if download.done > before:
                patience = iter(waits_s)
            wait = next(patience, None)
            if wait is None:
                raise _unreachable(download, error) from error
            logger.info("%s: %s; trying again in %g s", download.name, error or type(error).__name__, wait)
            time.sleep(wait)


def _stream(client: httpx.Client, download: _Download, notify: Progress) -> None:
    total, start = download.version.bytes, download.done
    if total is not None and start >= total and download.part.exists():
        return
    with client.stream("GET", download.entry.url(download.name), headers=_headers(download)) as answer:
        if answer.status_code == 416:  # nothing is left to send; the checksum judges what is there
            return
        _refuse(answer, download)
        resumed = _continues(answer, start)
        if not resumed:
            start = 0
            download.validator.write_text(_validator(answer), encoding="utf-8")
        with download.part.open("ab" if resumed else "wb") as file:
            for block in answer.iter_raw():
                start += file.write(block)
                notify(download.name, start, total)
                if total is not None and start > total:
                    return
    if total is not None and start < total:
        raise _TryAgain(f"the server closed the connection after {start} of {total} bytes")


def _headers(download: _Download) -> dict[str, str]:
    # Without `identity` a server may send the file compressed, and a position in it means nothing.
    headers = {"Accept-Encoding": "identity"}
    if download.done and download.validator.exists() and (validator := download.validator.read_text(encoding="utf-8")):
        headers |= {"Range": f"bytes={download.done}-", "If-Range": validator}
    return headers


def _validator(answer: httpx.Response) -> str:
    """Return what RFC 9110 (section 13.1.5) lets stand in If-Range: a strong entity tag, or a date."""
    etag, date = (str(answer.headers.get(name, "")) for name in ("ETag", "Last-Modified"))
    return etag if etag and not etag.startswith("W/") else date


def _continues(answer: httpx.Response, start: int) -> bool:
    if answer.status_code != 206:
        return False
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _TryAgain("the server sent another part than asked for")
    return True


def _refuse(answer: httpx.Response, download: _Download) -> None:
    said = f"{answer.status_code} {answer.reason_phrase}"
    if answer.status_code in _TRANSIENT:
        raise _TryAgain(f"the server said {said}")
    if answer.is_success:
        return
    raise SourceError(
        f"{download.name} is not at its address", where=str(answer.url), got=said,
        expected=f"the file from {download.entry.origin}", hint=_other_way(download),
    )  # fmt: skip


def _unreachable(download: _Download, error: Exception) -> SourceError:
    return SourceError(
        f"{download.name} cannot be downloaded",
        where=download.entry.url(download.name),
        expected=f"the file from {download.entry.origin}",
        got=f"{str(error) or type(error).__name__}; {download.done} bytes are there",
        hint=f"the same command goes on where this one ended. {_other_way(download)}",
    )


def _other_way(download: _Download) -> str:
    return (
        "Without a network: copy the files onto this machine by another way, then"
        f" cascada data import PATH --as {download.entry.name}"
    )
