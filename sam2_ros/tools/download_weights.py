"""Downloads one of Meta's checkpoints: `python -m sam2_ros.tools.download_weights sam2.1_hiera_small --out weights`.

An incomplete download is kept as `<file>.part`, and the same command continues it. Only a file with the published size
and SHA-256 gets its final name.
"""

import argparse
import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from sam2_ros.model.official_files import OFFICIAL_FILES, OfficialFile

_ATTEMPTS = 5
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20


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
    while have < file.size:
        error: Exception | None = None
        try:
            _fetch_rest(file, part, have=have)
        except (OSError, http.client.HTTPException) as caught:
            error = caught
        have = _size(part)
        failures = 0 if have > most else failures + 1
        most = max(most, have)
        refused = isinstance(error, urllib.error.HTTPError) and error.code != 416
        if have < file.size and (refused or failures == _ATTEMPTS):
            raise DownloadError(_offline_help(file, part, error)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch_rest(file: OfficialFile, part: Path, *, have: int) -> None:
    """Send one request for the bytes after the first `have`. What arrives before an interruption is kept."""
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
        with (
            open(part, 'ab' if resumes else 'wb') as output,
            tqdm(total=file.size, initial=start, unit='B', unit_scale=True, desc=file.name) as progress,
        ):
            while chunk := response.read(_CHUNK_BYTES):
                output.write(chunk)
                progress.update(len(chunk))
                if output.tell() > file.size:  # not the published file; the verification will say so
                    return


def _offline_help(file: OfficialFile, part: Path, error: Exception | None) -> str:
    target = part.with_name(file.name)
    return (
        f'{file.url} could not be fetched: {error or "the connection breaks off"}. Without a connection, download that '
        f'address elsewhere and copy the file to {target.resolve()} ({file.size} bytes, SHA-256 {file.sha256}); '
        'running this command again then verifies it'
    )


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Download one of Meta's SAM 2 checkpoints.")
    parser.add_argument('name', choices=OFFICIAL_FILES, help='variant')
    parser.add_argument('--out', type=Path, default=Path(), help='directory (default: the current one)')
    options = parser.parse_args(args)
    try:
        print(download(OFFICIAL_FILES[options.name], options.out))
    except DownloadError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
