"""The tracker that the toolkit of the VOT challenges starts: over TraX alone, and evaluated by the real toolkit.

The toolkit cannot share our environment; where VOT_PYTHON names the interpreter of one that has vot-toolkit 0.7.1, the
last test uses it.
"""

import configparser
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.datasets.vot_regions import region_mask
from sam2_ros.evaluation.protocols.protocol import SequenceScore
from sam2_ros.evaluation.protocols.vots import Vots
from sam2_ros.evaluation.vot import main
from sam2_ros.model import Sam2Network
from tests.evaluation import layouts
from tests.evaluation.vot_toolkit import TOOLKIT, needs_toolkit

HAS_TRAX = importlib.util.find_spec('trax') is not None
needs_trax = pytest.mark.skipif(not HAS_TRAX, reason="needs vot-trax: pip install '.[vot]'")
STACK = """title: local
experiments:
  baseline:
    type: unsupervised
    repetitions: 1
    multiobject: True
    analyses:
      - {type: average_accuracy, name: Quality, burnin: 0, ignore_unknown: False, weighted: False}
      - {type: longterm_ar, name: AR}
"""


def command_of(capsys: pytest.CaptureFixture[str], weights: Path) -> tuple[str, list[str]]:
    """The text of a trackers.ini, and the command of its only tracker."""
    assert main(['--ini', '--memory', 'dam', '--checkpoint', str(weights), '--image-size', '128']) == 0
    text = capsys.readouterr().out
    registry = configparser.ConfigParser()
    registry.read_string(text)
    assert registry.sections() == ['sam2_ros_dam']
    return text, shlex.split(registry['sam2_ros_dam']['command'])


@contextmanager
def client_of(command: list[str], folder: Path) -> Iterator[Any]:
    """A TraX client that has started the tracker, as the toolkit does it: in a foreign folder."""
    from trax.client import Client

    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    try:
        client = Client(stream=(process.stdin.fileno(), process.stdout.fileno()), log=lambda _: None)
        yield client
        client.quit()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@needs_trax
def test_masks_and_boxes_are_tracked_over_trax(
    micro128: Sam2Network, micro_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal to our own protocols, also for a second video and with DiDi's masks."""
    import trax

    layouts.vot(tmp_path / 'vots')
    layouts.vot(tmp_path / 'didi', boxes=True)
    _, command = command_of(capsys, micro_weights)
    with client_of(command, tmp_path) as client:
        assert client.get('multiobject') and client.tracker_name == 'sam2.1_hiera_micro dam'
        for name in ('vots', 'didi'):
            video = open_dataset(name, tmp_path / name, 'all').sequence('ants')
            if name == 'didi':
                regions = [trax.Rectangle.create(4, 8, 16, 16)]
            else:  # without the empty right and lower part, as the toolkit sends them
                masks = [video.first_mask(one).astype(np.uint8) for one in video.objects]
                regions = [trax.Mask.create(np.ascontiguousarray(cropped(mask))) for mask in masks]
            images = [{'color': trax.FileImage.create(str(file))} for file in video.frames]
            answers = [client.initialize(images[0], [(region, {}) for region in regions], {})[0]]
            answers += [client.frame(image, {}, [])[0] for image in images[1:]]
            for number, track in enumerate(Vots().run(micro128, 'dam', video)):
                for frame, answer in enumerate(answers):
                    assert np.array_equal(answer[number][0].array() > 0, track.mask(frame)), (name, frame)


def cropped(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[: rows[-1] + 1, : columns[-1] + 1]


@pytest.mark.slow
@needs_trax
@needs_toolkit
def test_the_toolkit_evaluates_our_tracker(
    micro128: Sam2Network, micro_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its masks are those of our own protocol, and so are its figures."""
    layouts.vot(tmp_path / 'sequences')
    for file in sorted((tmp_path / 'sequences/ants/color').iterdir(), reverse=True):  # the toolkit counts from 1
        file.rename(file.with_stem(f'{int(file.stem) + 1:05}'))
    (tmp_path / 'trackers.ini').write_text(command_of(capsys, micro_weights)[0])
    (tmp_path / 'stack.yaml').write_text(STACK)
    (tmp_path / 'config.yaml').write_text('registry: ./trackers.ini\nstack: ./stack.yaml\n')
    as_text = {**os.environ, 'VOT_RESULTS_BINARY': '0'}
    for words in (['evaluate'], ['analysis', '--format', 'json', '--name', 'analysis']):
        command = [TOOLKIT, '-m', 'vot', words[0], '--workspace', str(tmp_path), *words[1:], 'sam2_ros_dam']
        done = subprocess.run(command, cwd=tmp_path, env=as_text, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    video = open_dataset('vots', tmp_path / 'sequences', 'all').sequence('ants')
    tracks = Vots().run(micro128, 'dam', video)
    for track in tracks:
        name = f'results/sam2_ros_dam/baseline/ants/ants_{track.object_id}_001.txt'
        lines = (tmp_path / name).read_text().splitlines()
        assert lines[0] == '1' and len(lines) == layouts.FRAMES
        for frame, line in enumerate(lines[1:], 1):
            assert np.array_equal(region_mask(line, video.size), track.mask(frame))
    figures = Vots().figures([SequenceScore('ants', video.size, layouts.FRAMES, tuple(Vots().score(video, tracks)))])
    quality, accuracy_and_robustness = json.loads((tmp_path / 'analysis/analysis.json').read_text())['results'][
        'baseline'
    ]['results']
    assert figures['Q'] == pytest.approx(quality[0][0], abs=1e-6)
    assert [figures['A'], figures['R']] == pytest.approx(accuracy_and_robustness[0][:2], abs=1e-6)


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['--ini', '--memory', 'dam,sam3'], "there is no memory 'sam3'; accepted are sam2, pres"),
        (['--memory', 'dam,sam2'], 'one tracker has one memory, not dam,sam2; several are for --ini'),
    ],
)
def test_other_memories_are_refused(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, '--image-size', '128']) == 1
    assert sentence in capsys.readouterr().err


def test_without_trax_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, 'trax', None)
    assert main(['--image-size', '128']) == 1
    assert "needs the Python package vot-trax: pip install '.[vot]'" in capsys.readouterr().err
