"""Downloads a published checkpoint: `python -m sam2_ros.tools.download_weights sam2.1_hiera_small --out weights`.

An incomplete download is kept as `<file>.part`, and the same command continues it. Only a file with the known size and
SHA-256 gets its final name. `--list` says which files there are, and of which nothing is known.
"""

import argparse
import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.model.official_files import OFFICIAL_FILES, OfficialFile, sha256_of

_ATTEMPTS = 5
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20
_UNKNOWN = 'unknown'


class DownloadError(Exception):
    """A checkpoint could not be downloaded. The message says what to do."""


def download(file: OfficialFile, directory: str | Path) -> Path:
    """Download `file` into `directory`, or continue an earlier download. A complete file is only verified.

    Args:
        file: what to download.
        directory: is made if it does not exist.

    Returns:
        The path of the file.

    Raises:
        DownloadError: if the server cannot be reached or breaks off repeatedly, if what it sends or what is already
            there is not the published file, or if `directory` cannot be written to.
    """
    target = Path(directory) / file.name
    if target.exists():
        try:
            file.verify(target)
        except ValueError as error:
            raise DownloadError(f'{error}. Move it away and run the command again') from error
        return target
    part = target.with_name(target.name + '.part')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise DownloadError(f'{directory} is not a folder that can be written to: {error}') from error
    _fetch_all(file, part)
    try:
        file.verify(part)
    except ValueError as error:
        part.unlink()
        raise DownloadError(f'{file.url} did not send what is published: {error}. Run the command again') from error
    part.replace(target)
    return target


def _fetch_all(file: OfficialFile, part: Path) -> None:
    """Download until `part` is complete. Give up after several attempts in a row without new bytes."""
    failures = 0
    most = have = _size(part)
    size = file.size  # if it is not known, what the server says
    while size is None or have < size:
        error: Exception | None = None
        try:
            size = _fetch_rest(file, part, have=have)
        except (OSError, http.client.HTTPException) as caught:
            error = caught
        have = _size(part)
        failures = 0 if have > most else failures + 1
        most = max(most, have)
        refused = isinstance(error, urllib.error.HTTPError) and error.code != 416
        if (size is None or have < size) and (refused or failures == _ATTEMPTS):
            raise DownloadError(_offline_help(file, part, error)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch_rest(file: OfficialFile, part: Path, *, have: int) -> int:
    """Send one request for the bytes after the first `have`. What arrives before an interruption is kept.

    Returns:
        The size of the whole file: the known one, else that which the server announces, else what has arrived.
    """
    request = urllib.request.Request(file.url, headers={'Range': f'bytes={have}-'} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the server has fewer bytes than we have: start again
            part.unlink(missing_ok=True)
        raise
    with response:
        resumes = response.status == 206  # 200: the server ignores ranges and sends everything
        start = have if resumes else 0
        announced = response.headers.get('Content-Length')
        size = file.size if file.size is not None or announced is None else start + int(announced)
        with (
            open(part, 'ab' if resumes else 'wb') as output,
            tqdm(total=size, initial=start, unit='B', unit_scale=True, desc=file.name) as progress,
        ):
            while chunk := response.read(_CHUNK_BYTES):
                output.write(chunk)
                progress.update(len(chunk))
                if size is not None and output.tell() > size:  # not the published file; the verification will say so
                    break
            return output.tell() if size is None else size


def _offline_help(file: OfficialFile, part: Path, error: Exception | None) -> str:
    target = part.with_name(file.name)
    return (
        f'{file.url} could not be fetched: {error or "the connection breaks off"}. Without a connection, download that '
        f'address elsewhere and copy the file to {target.resolve()} ({file.size or _UNKNOWN} bytes, SHA-256 '
        f'{file.sha256 or _UNKNOWN}); running this command again then verifies it'
    )


def listing() -> str:
    """All published files as a Markdown table."""
    rows = [
        [name, f'{file.size / 1e6:.1f}' if file.size else _UNKNOWN, file.licence, file.sha256 or _UNKNOWN, file.url]
        for name, file in OFFICIAL_FILES.items()
    ]
    return markdown_table(('variant', 'MB', 'licence', 'SHA-256', 'address'), rows)


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description='Download a checkpoint of SAM 2, EdgeTAM or EfficientTAM.')
    parser.add_argument('name', nargs='?', choices=OFFICIAL_FILES, help='variant')
    parser.add_argument('--out', type=Path, default=Path(), help='directory (default: the current one)')
    parser.add_argument('--sha256', type=str.lower, metavar='HEX', help='of a file for which --list knows none')
    parser.add_argument('--list', action='store_true', help='the files with sizes, licences and SHA-256')
    options = parser.parse_args(args)
    if options.list:
        print(listing())
        return 0
    if options.name is None:
        parser.error(f'which one? {", ".join(OFFICIAL_FILES)}')
    file = OFFICIAL_FILES[options.name]
    if options.sha256 is not None:
        if file.sha256 not in (None, options.sha256):
            parser.error(f'the SHA-256 of {file.name} is known: {file.sha256}')
        file = replace(file, sha256=options.sha256)
    try:
        path = download(file, options.out)
    except DownloadError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if file.sha256 is None:
        sha256 = sha256_of(path)
        print(f'No SHA-256 of {file.name} is known, so it was not verified. Of what came: {sha256}', file=sys.stderr)
        print(f'To verify another copy, add: --sha256 {sha256}', file=sys.stderr)
    print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
