"""A browser for the tests of a file, and a page that is open in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.nodes import tracker_scene as scene
from tests.web.pretended import PretendedCamera, PretendedRobot, pretended, wait_for


@pytest.fixture(scope='module')
def tab() -> Iterator[object]:
    """Nothing that the tests of a file ask for may leave this machine."""
    pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')
    from tests.web import browser as browsers

    if not (browsers.CHROMIUM and browsers.DRIVER):
        pytest.skip(browsers.MISSING)
    with browsers.browser(image_size=(scene.HEIGHT, scene.WIDTH)) as made:
        yield made
        assert len(made.requests()) > 5
        assert made.foreign_requests() == []


@pytest.fixture
def still(tab) -> Iterator[tuple[PretendedRobot, PretendedCamera]]:
    """A robot whose cameras show a new image only when the test says so, and the page that is open."""
    with pretended(moving=False) as robot:
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        yield robot, robot.cameras[0]
        assert tab.complaints() == []


@pytest.fixture(scope='module')
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of a certificate that nobody has signed, and of its key."""
    folder = tmp_path_factory.mktemp('tls')
    files = str(folder / 'certificate.pem'), str(folder / 'key.pem')
    command = ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost']
    subprocess.run([*command, '-out', files[0], '-keyout', files[1]], check=True, capture_output=True, timeout=60)
    return files
