"""The measures beside those of the official toolkits, on random masks and boxes. How they were run: toolkits.json."""

import json
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.datasets.vot_regions import region_mask
from sam2_ros.evaluation.measures.box_tracking import BoxTrack, got10k_measures, lasot_measures
from sam2_ros.evaluation.measures.davis import frame_statistics
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.measures.vot_anchors import AnchorRun, anchor_measures
from sam2_ros.evaluation.measures.vots import ObjectOverlaps, vots_measures

OFFICIAL = json.loads((Path(__file__).parent / 'toolkits.json').read_text())
VOT, BOXES = OFFICIAL['vot'], OFFICIAL['boxes']
EXACT = 1e-6


def masks(words):
    height, width = VOT['size']
    bits = [np.unpackbits(np.frombuffer(bytes.fromhex(word), np.uint8), count=height * width) for word in words]
    return np.array(bits, bool).reshape(-1, height, width)


def test_vots():
    sequences = []
    for tracks in VOT['vots']['sequences']:
        pairs = [(masks(track['predicted']), masks(track['truth'])) for track in tracks]
        sequences.append(
            [
                ObjectOverlaps(region_similarity(*pair), *(np.any(one, axis=(1, 2)) for one in reversed(pair)))
                for pair in pairs
            ]
        )
    assert asdict(vots_measures(sequences)) == pytest.approx(VOT['vots']['expected'], abs=EXACT)


def test_vot_anchors():
    given = VOT['anchors']
    runs = [
        [
            AnchorRun(
                region_similarity(masks(run['predicted']), masks(run['truth'])),
                np.any(masks(run['truth']), axis=(1, 2)),
            )
            for run in sequence
        ]
        for sequence in given['sequences']
    ]
    assert {run.failed for sequence in runs for run in sequence} == {True, False}
    found = anchor_measures(runs, lengths=given['lengths'], shortest=given['shortest'], longest=given['longest'])
    assert asdict(found) == pytest.approx(given['expected'], abs=EXACT)


@pytest.fixture(scope='module')
def tracks():
    return [
        BoxTrack(*(np.array(track[name]) for name in ('predicted', 'truth', 'visible'))) for track in BOXES['tracks']
    ]


def test_lasot(tracks):
    assert astuple(lasot_measures(tracks)) == pytest.approx(BOXES['lasot'], abs=EXACT)
    assert astuple(lasot_measures(tracks, absent_hits=True)) == pytest.approx(BOXES['lasot_extension'], abs=EXACT)


def test_got10k(tracks):
    sizes = [tuple(track['image_size']) for track in BOXES['tracks']]
    assert astuple(got10k_measures(tracks, image_sizes=sizes)) == pytest.approx(BOXES['got10k'], abs=EXACT)


@pytest.mark.parametrize('number', range(len(OFFICIAL['davis'])))
def test_davis(number):
    case = OFFICIAL['davis'][number]
    values = np.array([np.nan if value is None else value for value in case['values']])
    assert astuple(frame_statistics(values)) == pytest.approx(case['expected'], abs=EXACT)


def test_overlaps_of_regions():
    regions = OFFICIAL['regions']
    for first, second, expected in regions['pairs']:
        found = region_similarity(*(region_mask(text, tuple(regions['size'])) for text in (first, second)))
        assert found == pytest.approx(expected, abs=EXACT), (first, second)
