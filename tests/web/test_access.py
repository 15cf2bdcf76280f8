"""Every threat has its test: other pages, other names, other machines, missing and wrong tokens."""

from __future__ import annotations

import os
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from sam2_ros.web.access import Access, AccessError, is_local, new_token, read_token
from sam2_ros.web.server import FILES, PageServer, Serving
from tests.web.robot import NotingRobot, run, served

TOKEN = 'a-token-of-some-length'
WITH_TOKEN = Access(token=TOKEN)


def test_the_page_and_its_files_are_served() -> None:
    async def test() -> None:
        async with served() as page:
            status, body, headers = await page.get('/')
            assert status == 200 and '<title>' in body
            assert headers['Content-Type'].startswith('text/html')
            for file in FILES.iterdir():
                status, body, headers = await page.get(f'/{file.name}')
                assert (status, body) == (200, file.read_text()), file
                kind = {'.js': 'javascript', '.css': 'css', '.html': 'html', '.svg': 'svg'}[file.suffix]
                assert kind in headers['Content-Type']

    run(test())


def test_every_answer_forbids_foreign_content() -> None:
    async def test() -> None:
        async with served(access=WITH_TOKEN) as page:
            for path in ('/', '/page.js', '/nothing', '/../setup.py', f'/?token={TOKEN}', '/'):
                _, _, headers = await page.get(path)
                policy = headers['Content-Security-Policy']
                assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
                assert 'unsafe' not in policy and 'http' not in policy
                assert headers['X-Content-Type-Options'] == 'nosniff'
                assert headers['Referrer-Policy'] == 'no-referrer'

    run(test())


@pytest.mark.parametrize(
    'host',
    ['evil.example', 'evil.example:8080', '127.0.0.1.evil.example', '', 'localhost@evil.example', '[', '10.0.0.1'],
)
def test_a_foreign_name_that_leads_here_is_refused(host: str) -> None:
    """DNS rebinding: the browser believes that it talks to evil.example."""

    async def test() -> None:
        async with served() as page:
            for path in ('/', '/page.js', '/ws'):
                status, body, _ = await page.get(path, headers={'Host': host})
                assert status in (400, 403) and 'html' not in body
            origin = f'http://{host}'
            assert await page.status_of_page(Host=host or ' ', Origin=origin) in (400, 403)

    run(test())


@pytest.mark.parametrize('host', ['localhost:{port}', '127.0.0.1:9999', 'LOCALHOST', '[::1]:8080', 'robot.local:80'])
def test_names_of_the_robot_are_accepted_under_any_port(host: str) -> None:
    """ssh -L shows the page under another port."""

    async def test() -> None:
        async with served(access=Access(allowed_hosts=('Robot.local',))) as page:
            name = host.format(port=page.host.split(':')[1])
            assert (await page.get('/', headers={'Host': name}))[0] == 200
            assert await page.status_of_page(Host=name, Origin=f'http://{name}') == 101
            assert await page.status_of_page(Host=name, Origin=f'https://{name}') == 101  # behind a proxy

    run(test())


@pytest.mark.parametrize(
    'origin', ['http://evil.example', 'null', 'http://localhost', 'http://127.0.0.1:1', 'ftp://{host}', '{host}', '']
)
def test_a_foreign_page_cannot_open_the_socket(origin: str) -> None:
    async def test() -> None:
        async with served() as page:
            assert await page.status_of_page(Origin=origin.format(host=page.host)) == 403
            assert page.server.viewers == {}

    run(test())


def test_without_the_token_nothing_is_served() -> None:
    async def test() -> None:
        async with served(access=WITH_TOKEN) as page:
            for path in ('/', '/page.js', '/ws', '/?token=', '/?token=wrong', '/?token=' + TOKEN[:-1]):
                status, body, headers = await page.get(path)
                assert status in (401, 403) and 'Set-Cookie' not in headers and TOKEN not in body
            assert await page.status_of_page() == 401
            assert await page.status_of_page(Cookie=f'operator_page_{page.host.split(":")[1]}=guess') == 401

    run(test())


def test_the_token_becomes_a_cookie_and_leaves_the_address() -> None:
    async def test() -> None:
        async with served(access=WITH_TOKEN) as page:
            status, body, headers = await page.get(f'/?token={TOKEN}')
            assert (status, headers['Location'], body) == (303, '/', '')
            (cookie,) = SimpleCookie(headers['Set-Cookie']).values()
            assert cookie['httponly'] and cookie['samesite'] == 'Strict'
            assert TOKEN not in cookie.value
            assert (await page.get('/'))[0] == 200
            assert await page.status_of_page() == 101
            assert await page.status_of_page(Origin='http://evil.example') == 403  # the cookie alone is not enough

    run(test())


def test_a_program_without_an_origin_needs_the_token() -> None:
    async def test() -> None:
        async with served(access=WITH_TOKEN) as page:
            assert await page.status_of_page(Origin='', Authorization=f'Bearer {TOKEN}') == 101
            assert await page.status_of_page(Origin='', Authorization='Bearer wrong') == 403
            assert await page.status_of_page(Origin='', Authorization=f'Bearer {TOKEN}é') == 403
            await page.get(f'/?token={TOKEN}')
            assert await page.status_of_page(Origin='') == 403  # a cookie says nothing about who asks
        async with served() as page:
            assert await page.status_of_page(Origin='', Authorization='Bearer ') == 403

    run(test())


def test_nothing_changes_by_other_methods_and_large_requests() -> None:
    async def test() -> None:
        async with served() as page:
            for method in ('POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'):
                async with page.session.request(method, page.address + '/', data=b'{"do":"reset"}') as response:
                    assert response.status == 405
            assert (await page.get('/' + 'x' * 20_000))[0] in (400, 414)
            assert (await page.get('/%2e%2e/%2e%2e/setup.py'))[0] == 404
            assert page.robot.asked == []

    run(test())


@pytest.mark.parametrize(
    ('host', 'local'),
    [
        *((host, True) for host in ('127.0.0.1', '127.1.2.3', '::1', 'localhost')),
        *((host, False) for host in ('0.0.0.0', '', '192.168.1.5', '::', 'robot.local')),
    ],
)
def test_only_loopback_is_local(host: str, local: bool) -> None:
    assert is_local(host) is local
    if local:
        PageServer(Serving(access=Access(host)), NotingRobot())
    else:
        with pytest.raises(AccessError, match='needs a token'):
            PageServer(Serving(access=Access(host)), NotingRobot())


def test_a_wildcard_needs_the_names_that_browsers_use() -> None:
    with pytest.raises(AccessError, match='allowed_hosts'):
        PageServer(Serving(access=Access('0.0.0.0', token=TOKEN)), NotingRobot())

    async def test() -> None:
        async with served(access=Access('0.0.0.0', ('10.1.2.3',), TOKEN)) as page:
            assert (await page.get(f'/?token={TOKEN}', headers={'Host': '10.1.2.3:8080'}))[0] == 303
            assert (await page.get(f'/?token={TOKEN}', headers={'Host': '10.1.2.4:8080'}))[0] == 403

    run(test())


def test_a_token_file_has_to_be_private_and_long(tmp_path: Path) -> None:
    file = tmp_path / 'token'
    file.write_text(TOKEN + '\n')
    file.chmod(0o600)
    assert read_token(file) == TOKEN
    file.chmod(0o640)
    with pytest.raises(AccessError, match='chmod 600'):
        read_token(file)
    file.chmod(0o600)
    for text in ('short', 'long enough but with spaces', 'é' * 20):
        file.write_text(text)
        with pytest.raises(AccessError, match='token_file'):
            read_token(file)
    with pytest.raises(AccessError, match='cannot be read'):
        read_token(tmp_path / 'missing')


def test_random_tokens_have_128_bits() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100 and min(map(len, tokens)) >= 22  # of 64 characters each


def test_https_by_certificate_and_key(certificate: tuple[str, str]) -> None:
    async def test() -> None:
        async with served(access=WITH_TOKEN, certificate=certificate[0], key=certificate[1]) as page:
            assert page.address.startswith('https://')
            _, _, headers = await page.get(f'/?token={TOKEN}')
            (cookie,) = SimpleCookie(headers['Set-Cookie']).values()
            assert cookie['secure']
            assert await page.status_of_page() == 101

    run(test())


def test_https_needs_both_files(certificate: tuple[str, str], tmp_path: Path) -> None:
    for files in ((certificate[0], ''), ('', certificate[1])):
        with pytest.raises(AccessError, match='both'):
            PageServer(Serving(certificate=files[0], key=files[1]), NotingRobot())
    for name in (str(tmp_path / 'missing'), os.devnull):
        with pytest.raises(AccessError, match='certificate and key'):
            PageServer(Serving(certificate=name, key=certificate[1]), NotingRobot())
