"""The command lines from end to end, and what they refuse, with a sentence, before any work is done."""

from pathlib import Path

import pytest

from sam2_ros.evaluation import command_line, corrections, input_size, synthetic
from sam2_ros.evaluation.measures import speed
from tests.evaluation.filmed import draw_labels, write_clip


@pytest.mark.parametrize('main', [synthetic.main, input_size.main])
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--checkpoint', 'nowhere.pt'], f'there is no checkpoint {Path("nowhere.pt").absolute()}'),
        (['--model', 'sam2.1_hiera_large'], 'sam2.1_hiera_large has no bundled weights; give a file with --checkpoint'),
        (['--subsets', 'hard'], "invalid choice: 'hard'"),
        (['--clips', '0'], "'0' is not a whole number above 0"),
        (['--split', 'test'], "invalid choice: 'test'"),
        (['--frames', '1.5'], "'1.5' is not a whole number above 0"),
    ],
)
def test_what_cannot_be_done_is_refused(main, arguments, message, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('main', [synthetic.main, input_size.main, corrections.main])
def test_a_file_in_place_of_the_output_folder_is_refused_before_the_work(
    main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'file'
    file.touch()
    with pytest.raises(SystemExit):
        main(
            ['--output', str(file), '--predictions', str(tmp_path / 'kept')]
            if main is not corrections.main
            else ['--output', str(file)]
        )
    assert f'--output must be a folder, and {file} is something else' in capsys.readouterr().err


def test_the_help_tells_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        input_size.main(['--help'])
    text = ' '.join(capsys.readouterr().out.split())
    assert 'of plain, lookalikes, occlusion, re_entry, small (default: plain small lookalikes)' in text
    assert 'clips per subset (default: 8)' in text and 'frames per clip (default: 60)' in text


def test_an_unsuitable_image_size_is_refused(micro_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for main, option in ((synthetic.main, '--image-size'), (input_size.main, '--sizes')):
        with pytest.raises(SystemExit):
            main(['--checkpoint', str(micro_weights), option, '100'])
        assert 'multiple of 32' in capsys.readouterr().err


def table(page: str, first: str) -> list[list[str]]:
    """Rows of the table whose heading begins with `first`, without heading and rule."""
    lines = page.split(f'| {first} |', 1)[1].split('\n\n')[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


@pytest.fixture
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is measured from the third frame on, so that clips may be short."""
    for module in (speed, command_line):
        monkeypatch.setattr(module, 'WARM_UP_FRAMES', 2)


@pytest.mark.slow
@pytest.mark.usefixtures('short_warm_up')
def test_a_quick_benchmark(micro_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two policies on two clips, unless something else is asked for; a second call only scores."""
    arguments = [
        '--quick',
        '--checkpoint',
        str(micro_weights),
        '--image-size',
        '64',
        '--frames',
        '4',
        '--subsets',
        'plain',
        '--prompts',
        'box',
        '--workers',
        '1',
        f'--predictions={tmp_path / "kept"}',
        '--output',
        str(tmp_path),
    ]
    synthetic.main(arguments)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / 'kept').rglob('*.npz')}
    page = Path(capsys.readouterr().out.strip()).read_text()
    assert [row[:2] for row in table(page, 'prompt | memory')] == [['box', 'sam2'], ['box', 'dam']]
    assert len(kept) == 4 and '2 clips of 4 frames' in page and '- Clips: of the split heldout' in page
    assert [row[0] for row in table(page, ' | median ms')] == ['sam2', 'dam'] and '--predictions' not in page
    synthetic.main(arguments)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / 'kept').rglob('*.npz')} == kept


@pytest.mark.slow
@pytest.mark.usefixtures('short_warm_up')
def test_sizes_are_compared_on_the_same_clips(
    micro_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    input_size.main(
        [
            '--checkpoint',
            str(micro_weights),
            '--sizes',
            '64',
            '96',
            '--clips',
            '2',
            '--frames',
            '3',
            '--subsets',
            'plain',
            '--prompts',
            'box',
            '--workers',
            '1',
            '--predictions',
            str(tmp_path / 'kept'),
            '--output',
            str(tmp_path),
        ]
    )
    page = Path(capsys.readouterr().out.strip()).read_text()
    region, robustness = table(page, 'subset | prompt | measure | 64 | 96')
    for row, measure in ((region, 'J'), (robustness, 'R')):
        assert row[:3] == ['plain', 'box', measure] and '±' in row[3]
        assert float(row[4].split('(')[1].split()[0]) == pytest.approx(
            float(row[4].split()[0]) - float(row[3].split()[0]), abs=0.0011
        )
    assert [row[0] for row in table(page, ' | median ms')] == ['64 pixels', '96 pixels']


@pytest.mark.slow
def test_sizes_are_compared_on_filmed_clips(
    micro_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in 'ab':
        write_clip(tmp_path / 'films' / name, draw_labels({1: range(3), 2: range(3)}, frames=3))
    input_size.main(
        [
            *('--real', str(tmp_path / 'films'), '--half', 'first', '--prompts', 'box', '--sizes', '64', '96'),
            *('--checkpoint', str(micro_weights), '--workers', '1'),
            *('--predictions', str(tmp_path / 'kept'), '--output', str(tmp_path)),
        ]
    )
    page = Path(capsys.readouterr().out.strip())
    assert page.name == 'input_size_real.md'  # beside that of synthetic clips
    rows = table(page.read_text(), 'subset | prompt | measure | 64 | 96')
    assert [row[:3] for row in rows] == [
        [f'real, per {name}', 'box', measure] for name in ('object', 'clip') for measure in 'JR'
    ]
    assert rows[0][3].split()[0] == rows[2][3] and '±' in rows[0][3]  # two objects, one clip
    assert '1 of the 2 in films' in page.read_text() and str(tmp_path) not in page.read_text()


@pytest.mark.parametrize(
    ('main', 'arguments', 'message'),
    [
        (input_size.main, ['--half', 'first'], '--half is of filmed clips; give their folder with --real'),
        (input_size.main, ['--real', 'nowhere'], 'nowhere holds no clips; a clip is NAME/00000.jpg with'),
        (
            input_size.main,
            ['--real', 'nowhere', '--frames', '9'],
            '--frames is for synthetic clips; it cannot be given',
        ),
        (corrections.main, ['--real', 'nowhere', '--clips', '3'], '--clips is for synthetic clips; it cannot be given'),
    ],
)
def test_synthetic_and_filmed_clips_are_not_mixed(
    main, arguments, message, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*arguments, '--output', str(tmp_path)])
    assert message in capsys.readouterr().err
