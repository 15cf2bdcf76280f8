"""Downloading against a real HTTP server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sam2_ros.model import VARIANTS
from sam2_ros.model.official_files import OFFICIAL_FILES, OfficialFile
from sam2_ros.tools.download_weights import DownloadError, download, main

CONTENT = bytes(range(256)) * 8192  # 2 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE_NAME = 'sam2.1_hiera_test.pt'


class Server(ThreadingHTTPServer):
    """Serves `content`; `breaks_after` bytes of each answer it hangs up; `ranges` says whether it honours Range."""

    daemon_threads = True
    content = CONTENT
    breaks_after: int | None = None
    ranges = True
    announces = True  # how long its answers are
    status: int | None = None

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.requests: list[str | None] = []

    def file(self, *, size: int | None = len(CONTENT), sha256: str | None = SHA256) -> OfficialFile:
        return OfficialFile(FILE_NAME, f'http://127.0.0.1:{self.server_port}/{FILE_NAME}', size, sha256)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get('Range')
        self.server.requests.append(wanted)
        start = int(wanted.removeprefix('bytes=').removesuffix('-')) if wanted and self.server.ranges else 0
        if self.server.status or start >= len(self.server.content):
            self.send_error(self.server.status or 416)
            return
        self.send_response(206 if start else 200)
        if start:
            last = len(self.server.content) - 1
            self.send_header('Content-Range', f'bytes {start}-{last}/{len(self.server.content)}')
        body = self.server.content[start:]
        if self.server.announces:
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_after])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_arrives(server: Server, tmp_path: Path) -> None:
    path = download(server.file(), tmp_path / 'new' / 'folder')
    assert path == tmp_path / 'new/folder' / FILE_NAME
    assert path.read_bytes() == CONTENT
    assert [other.name for other in path.parent.iterdir()] == [FILE_NAME]
    assert server.requests == [None]


def test_a_file_that_is_there_is_only_verified(server: Server, tmp_path: Path) -> None:
    download(server.file(), tmp_path)
    server.requests.clear()
    assert download(server.file(), tmp_path) == tmp_path / FILE_NAME
    assert server.requests == []


def test_interruptions_are_resumed(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 300_000
    path = download(server.file(), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests[:3] == [None, 'bytes=300000-', 'bytes=600000-']


def test_an_earlier_attempt_is_continued(server: Server, tmp_path: Path) -> None:
    (tmp_path / f'{FILE_NAME}.part').write_bytes(CONTENT[:1000])
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.requests == ['bytes=1000-']


def test_a_complete_part_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / f'{FILE_NAME}.part').write_bytes(CONTENT)
    nowhere = OfficialFile(FILE_NAME, 'http://127.0.0.1:9/x', len(CONTENT), SHA256)
    assert download(nowhere, tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / f'{FILE_NAME}.part').write_bytes(b'something else')
    assert download(server.file(), tmp_path).read_bytes() == CONTENT


def test_a_server_that_never_gets_further_is_given_up(server: Server, tmp_path: Path) -> None:
    server.ranges, server.breaks_after = False, 300_000
    with pytest.raises(DownloadError, match='could not be fetched'):
        download(server.file(), tmp_path)
    assert len(server.requests) < 10
    assert not (tmp_path / FILE_NAME).exists()
    assert (tmp_path / f'{FILE_NAME}.part').stat().st_size == 300_000


@pytest.mark.parametrize('cut', [1000, len(CONTENT)])
def test_corrupt_content_gets_no_name(server: Server, tmp_path: Path, cut: int) -> None:
    (tmp_path / f'{FILE_NAME}.part').write_bytes(bytes(cut))
    with pytest.raises(DownloadError, match=r'SHA-256.*Run the command again'):
        download(server.file(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert download(server.file(), tmp_path).read_bytes() == CONTENT


def test_a_longer_file_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match='bytes, the published'):
        download(server.file(size=1_500_000), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_shorter_file_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match='could not be fetched'):
        download(server.file(size=len(CONTENT) + 1), tmp_path)
    assert not (tmp_path / FILE_NAME).exists()


def test_a_wrong_file_of_that_name_is_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'weights of my own')
    with pytest.raises(DownloadError, match='Move it away'):
        download(server.file(), tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == b'weights of my own'
    assert server.requests == []


@pytest.mark.parametrize('status', [403, 404, 500])
def test_a_refusal_is_reported_at_once(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=f'could not be fetched.*{status}'):
        download(server.file(), tmp_path)
    assert len(server.requests) == 1


def test_without_a_connection_the_message_says_what_to_do(tmp_path: Path) -> None:
    with Server() as server:
        file = server.file()
    with pytest.raises(DownloadError) as caught:
        download(file, tmp_path)
    message = str(caught.value)
    for part in (file.url, str(tmp_path / FILE_NAME), str(file.size), SHA256, 'copy the file to'):
        assert part in message


def test_a_place_that_is_no_folder_is_said_at_once(server: Server, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(DownloadError, match='not a folder that can be written to'):
        download(server.file(), tmp_path / 'file')
    assert not server.requests


def test_the_command(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OFFICIAL_FILES, 'sam2_hiera_tiny', server.file())
    assert main(['sam2_hiera_tiny', '--out', str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert output.out.strip() == str(tmp_path / FILE_NAME)
    assert '2.10M/2.10M' in output.err  # the progress bar
    (tmp_path / FILE_NAME).unlink()
    server.status = 404
    assert main(['sam2_hiera_tiny', '--out', str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith('error: http://127.0.0.1')
    with pytest.raises(SystemExit):
        main(['sam2_hiera_huge'])
    assert 'sam2.1_hiera_large' in capsys.readouterr().err


@pytest.mark.parametrize('announces', [True, False])
def test_a_file_of_which_nothing_is_known_arrives_and_can_be_pinned(
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    announces: bool,
) -> None:
    server.announces = announces
    server.breaks_after = 1_500_000 if announces else None  # a length tells that there is more
    monkeypatch.setitem(OFFICIAL_FILES, 'sam2_hiera_tiny', server.file(size=None, sha256=None))
    command = ['sam2_hiera_tiny', '--out', str(tmp_path)]
    assert main(command) == 0
    assert (tmp_path / FILE_NAME).read_bytes() == CONTENT
    output = capsys.readouterr()
    assert output.out.strip() == str(tmp_path / FILE_NAME)
    assert 'was not verified' in output.err and f'--sha256 {SHA256}' in output.err
    assert main([*command, '--sha256', SHA256.upper()]) == 0
    assert 'not verified' not in capsys.readouterr().err
    assert main([*command, '--sha256', '0' * 64]) == 1
    assert f'has the SHA-256 {SHA256}' in capsys.readouterr().err


def test_a_known_digest_cannot_be_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['edgetam', '--sha256', '0' * 64])
    assert 'ed2d4850' in capsys.readouterr().err


def test_the_list_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--list']) == 0
    rows = [line.strip('| ').split(' | ') for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == list(OFFICIAL_FILES)
    table = {name: cells for name, *cells in rows}
    sha256 = 'acbb17b28cca1f860acee09c9ecb6efdb732080dc7a85a07292c31813175fa7d'
    assert table['efficienttam_ti'][:3] == ['71.6', 'Apache-2.0', sha256]
    assert table['efficienttam_ti_1'][:3] == ['unknown', 'Apache-2.0', 'unknown']
    with pytest.raises(SystemExit):
        main([])
    assert 'which one?' in capsys.readouterr().err


def test_every_published_variant_has_a_file() -> None:
    assert set(OFFICIAL_FILES) == {name for name, config in VARIANTS.items() if not config.bundled}
    for name, file in OFFICIAL_FILES.items():
        assert file.name == f'{name}.pt'
        assert file.url.startswith('https://') and file.url.endswith(f'/{name}.pt')
        assert (file.sha256 is None) is (file.size is None)
    known = [file.sha256 for file in OFFICIAL_FILES.values() if file.sha256 is not None]
    assert all(len(one) == 64 for one in known)
    assert len(set(known)) == len(known) == 13
