"""The pages lead somewhere, are current, and say nothing of the machine they were written on."""

import ast
import os
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from docs import reference, rooms
from tests.common import REPOSITORY

PAGES = sorted(
    [
        *(REPOSITORY / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'sam2_ros/weights/README.md')),
        *(REPOSITORY / 'docs').rglob('*.md'),
        *(REPOSITORY / 'benchmarks').glob('*.md'),
    ]
)
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
INTERFACES = sorted([*(REPOSITORY / 'msg').iterdir(), *(REPOSITORY / 'srv').iterdir()])
LINK = re.compile(r'\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+(?:\([^()]*\))?)\)')
FENCE = re.compile(r'^( *)```.*?^\1``` *$', re.MULTILINE | re.DOTALL)
FOLDERS = {path.name for path in REPOSITORY.iterdir() if path.is_dir()} - {'build', 'demo', 'log', 'install'}
FILE = re.compile(r'[\w.-]+(?:/[\w.-]+)*/?(?::\w+)?')
MESSAGE_TYPE = re.compile(r'sam2_ros/(?:(?:msg|srv)/)?[A-Z]\w+')
# of people's machines, not of ours: /home/user/..., /Users/..., /tmp/..., /work/...
FOREIGN_PATH = re.compile(r'(?<![\w.:/$-])/(?:home|root|Users|tmp|work|mnt|private)/\w+')


@lru_cache
def _text(page: Path) -> str:
    return page.read_text(encoding='utf-8')


def _prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCE.sub('', _text(page))


@lru_cache
def _anchors(page: Path) -> frozenset[str]:
    """Anchors of the headings, as code hosts make them."""
    anchors: list[str] = []
    for heading in re.findall(r'^#{1,6} +(.+?) *#* *$', _prose(page), re.MULTILINE):
        words = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading)  # of a link, what is shown
        slug = re.sub(r'[^\w\- ]', '', words.lower()).replace(' ', '-')
        repeated = sum(other == slug or re.fullmatch(rf'{re.escape(slug)}-\d+', other) is not None for other in anchors)
        anchors.append(f'{slug}-{repeated}' if repeated else slug)
    return frozenset(anchors)


def _complaint(page: Path, link: str) -> str | None:
    """What is wrong with a link on a page; None if nothing is. Links to the web are not looked at."""
    if re.match(r'[a-z]+:', link):
        return None
    path, _, anchor = link.partition('#')
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return f'{link}: there is no such file'
    if not target.is_relative_to(REPOSITORY):
        return f'{link}: leaves the repository'
    if anchor and anchor not in _anchors(target):
        return f'{link}: {target.name} has no such heading'
    return None


def _missing_files(text: str) -> list[str]:
    """Texts in backticks that look like a file of the repository, or `file:name` in it, and name nothing."""
    missing = []
    for quoted in re.findall(r'`([^`\n]+)`', text):
        first = quoted.partition('/')[0]
        if first not in FOLDERS or '/' not in quoted or not FILE.fullmatch(quoted) or MESSAGE_TYPE.fullmatch(quoted):
            continue
        path, _, name = quoted.partition(':')
        file = REPOSITORY / path
        if not file.exists() or (
            name and not re.search(rf'(\b(def|class) {name}\b|^{name}\b)', file.read_text(), re.M)
        ):
            missing.append(quoted)
    return missing


@pytest.mark.parametrize('name', NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = REPOSITORY / name
    complaints = [complaint for link in LINK.findall(_prose(page)) if (complaint := _complaint(page, link))]
    assert complaints == []


@pytest.mark.parametrize(
    ('link', 'complaint'),
    [
        ('docs/index.md', None),
        ('docs/architecture.md#where-to-add', None),
        ('docs/troubleshooting.md#no-module-named-torch-under-ros2-launch', None),
        ('https://example.org/nothing', None),
        ('docs/nothing.md', 'docs/nothing.md: there is no such file'),
        ('docs/architecture.md#nothing', 'docs/architecture.md#nothing: architecture.md has no such heading'),
        ('#nothing', '#nothing: README.md has no such heading'),
    ],
)
def test_a_broken_link_is_found(link: str, complaint: str | None) -> None:
    assert _complaint(REPOSITORY / 'README.md', link) == complaint


@pytest.mark.parametrize('name', NAMES)
def test_files_that_are_named_exist(name: str) -> None:
    assert _missing_files(_prose(REPOSITORY / name)) == []


def test_a_file_that_is_named_but_not_there_is_found() -> None:
    text = '`docs/rooms.py` `docs/rooms.py:arrows` `docs/rooms.py:ROOMS` `tests/` `sam2_ros/Prompt` `x/y` `~/x` `a.py`'
    assert _missing_files(text) == []
    wrong = ['docs/no.py', 'docs/rooms.py:no', 'sam2_ros/nodes/no/', 'tests/no']
    assert _missing_files(' '.join(f'`{name}`' for name in wrong)) == wrong


def test_every_room_is_on_the_map() -> None:
    """After a change of rooms or imports: python docs/rooms.py"""
    assert rooms.PAGE.read_text(encoding='utf-8') == rooms.page_with_rooms()
    assert rooms.PICTURE.read_text(encoding='utf-8') == rooms.picture()


def test_arrows_that_follow_from_others_are_left_out() -> None:
    imports = {'ground': set(), 'middle': {'ground'}, 'top': {'ground', 'middle'}}
    assert rooms.needed_arrows(imports) == {'ground': set(), 'middle': {'ground'}, 'top': {'middle'}}


@pytest.mark.parametrize('page', list(reference.MAKERS))
def test_reference_pages_are_current(page: str) -> None:
    """After a change of topics, parameters, messages or command lines: python docs/reference.py"""
    assert (reference.FOLDER / f'{page}.md').read_text(encoding='utf-8') == reference.MAKERS[page]()


def test_every_command_line_is_on_its_page() -> None:
    modules = {
        '.'.join(file.relative_to(REPOSITORY).with_suffix('').parts)
        for folder in ('tools', 'evaluation', 'training')
        for file in (REPOSITORY / 'sam2_ros' / folder).rglob('*.py')
        if '\nif __name__ ==' in file.read_text()
    }
    assert modules == set(reference.COMMANDS)


@pytest.mark.parametrize('name', [name for name in NAMES if '```python\n' in _text(REPOSITORY / name)])
def test_python_in_pages_compiles(name: str) -> None:
    blocks = re.findall(r'^( *)```python\n(.*?)^\1```', _text(REPOSITORY / name), re.MULTILINE | re.DOTALL)
    assert blocks, 'there is one, but it does not end'
    for indent, block in blocks:
        ast.parse(re.sub(rf'^{indent}', '', block, flags=re.MULTILINE))


@pytest.mark.parametrize('name', [*NAMES, *(str(file.relative_to(REPOSITORY)) for file in INTERFACES)])
def test_no_page_names_a_folder_of_its_authors_machine(name: str) -> None:
    assert FOREIGN_PATH.findall(_text(REPOSITORY / name)) == []


def test_no_file_names_a_folder_of_its_authors_machine() -> None:
    """Beside the pages: sources, settings, scripts."""
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip('not a git repository')
    folders = [folder for folder in (Path.home(), REPOSITORY) if len(folder.parts) > 1]
    own = re.compile('|'.join(rf'{re.escape(str(folder))}\b' for folder in folders))
    for name in filter(None, listed.stdout.split('\0')):
        content = (REPOSITORY / name).read_bytes()
        assert own.search(content.decode('utf-8', 'ignore')) is None, name


def test_the_front_door() -> None:
    text = _text(REPOSITORY / 'README.md')
    lines = text.split('\n')
    assert len(lines) <= 145
    assert [line for line in lines if len(line) > 120 and not line.startswith('|')] == []
    assert 'make test' in (REPOSITORY / '.ci/run').read_text()
    assert re.search('^make test ', text, re.MULTILINE)


@pytest.mark.slow
def test_the_documentation_builds(tmp_path: Path) -> None:
    pytest.importorskip('myst_parser')
    pytest.importorskip('furo')
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-n', '-q', '-d', tmp_path / 'doctrees']
    run = subprocess.run(
        [*command, '-c', 'docs', '.', tmp_path / 'pages'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {'PYTHONPATH': os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')])},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for page in NAMES:
        assert (tmp_path / 'pages' / page).with_suffix('.html').exists()
