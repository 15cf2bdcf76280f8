"""Protocols with a real network on drawn clips: what the tracker is given, and when it is corrected."""

from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.protocols.protocol import Track
from sam2_ros.evaluation.protocols.registry import make_protocol
from sam2_ros.model import Sam2Network
from sam2_ros.session import SessionOptions, VideoSession
from sam2_ros.tracking import Prompt, VideoTracker
from tests.evaluation import layouts
from tests.evaluation.filmed import draw_labels, write_clip

pytestmark = pytest.mark.slow

FRAMES = 7
JUMP = 3  # the frame from which the truth is another square than the one that was prompted


@pytest.fixture
def drawn(tmp_path: Path) -> VideoSequence:
    layouts.folder(tmp_path)
    return open_dataset('folder', tmp_path).sequence('yard')


@pytest.fixture
def jumping(tmp_path: Path) -> VideoSequence:
    """Two squares are shown; the object is the first one, and from frame 3 on the second one."""
    shown = draw_labels({1: range(FRAMES), 2: range(FRAMES)}, frames=FRAMES)
    truth = np.where(np.arange(FRAMES)[:, None, None] < JUMP, shown == 1, shown == 2).astype(np.uint8)
    write_clip(tmp_path / 'JPEGImages/v', shown, masks=tmp_path / 'unused')
    write_clip(tmp_path / 'unused', truth, masks=tmp_path / 'Annotations/v')
    return open_dataset('folder', tmp_path).sequence('v')


def overlaps(track: Track, sequence: VideoSequence) -> list[float]:
    """With the truth, in every frame after the first."""
    return [
        float(region_similarity(track.mask(frame), sequence.masks(frame)[track.object_id]))
        for frame in track.frames[1:]
    ]


@pytest.mark.parametrize('prompt', ['mask', 'box', '1-click', '3-click', '5-click'])
@pytest.mark.parametrize('memory', ['sam2', 'dam'])
def test_objects_are_followed_from_every_prompt(
    micro128: Sam2Network, drawn: VideoSequence, prompt: str, memory: str
) -> None:
    tracks = make_protocol('folder', prompt=prompt).run(micro128, memory, drawn)
    assert [(track.object_id, track.frames) for track in tracks] == [('1', (0, 1, 2, 3, 4, 5)), ('2', (2, 3, 4, 5))]
    assert all(np.mean(overlaps(track, drawn)) > 0.5 for track in tracks)
    both = [sum(track.mask(frame) for track in tracks) for frame in range(3, layouts.FRAMES)]
    assert np.max(both) == 1, 'a pixel is of one object'


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Prompt]]:
    """What trackers and sessions are given as prompts for a frame, beside those that come with an image."""
    noted: list[tuple[int, Prompt]] = []
    for owner in (VideoTracker, VideoSession):
        prompt = owner.prompt

        def noting(self, frame: int, one: Prompt, *, _prompt=prompt, **more):
            noted.append((frame, one))
            return _prompt(self, frame, one, **more)

        monkeypatch.setattr(owner, 'prompt', noting)
    return noted


def test_clicks_of_a_frame_come_together_where_it_is_wrong(
    micro128: Sam2Network, drawn: VideoSequence, given: list[tuple[int, Prompt]]
) -> None:
    make_protocol('folder', prompt='5-click').run(micro128, 'sam2', drawn)
    for one in drawn.objects:
        own = [(frame, prompt) for frame, prompt in given if prompt.object_id == one.object_id]
        assert [(frame, len(prompt.points)) for frame, prompt in own] == [(one.start, 2 + n) for n in range(len(own))]
        assert own, 'one click is not enough to be right to the pixel'
        truth = drawn.first_mask(one)
        x, y = own[-1][1].points.astype(int).T
        assert truth[y, x].tolist() == (own[-1][1].labels == 1).tolist()


def test_online_corrects_while_the_overlap_is_low_and_frames_are_left(
    micro128: Sam2Network, jumping: VideoSequence, given: list[tuple[int, Prompt]]
) -> None:
    tracks = {track.run: track for track in make_protocol('folder', 'online').run(micro128, 'sam2', jumping)}
    assert list(tracks) == [str(number) for number in range(1, 9)]
    found = {run: overlaps(track, jumping) for run, track in tracks.items()}
    corrected = {run: sorted({f for f, one in given if f and one.object_id == f'1 {run}'}) for run in tracks}
    assert max(found['1'][JUMP - 1 :]) < 0.2 and not corrected['1'], 'it stays on the first square'
    for run, frames in corrected.items():
        assert len(frames) <= int(run) - 1 and set(frames) <= set(range(JUMP, FRAMES - 1))  # the last does not count
        assert frames == [] or frames[0] == JUMP
        assert all(len(one.points) <= 3 for _, one in given if one.object_id == f'1 {run}')
        same = [tracks[run].mask(frame) ^ tracks['1'].mask(frame) for frame in range(JUMP)]
        assert np.count_nonzero(same) <= 20, 'only later frames change'
    assert corrected['2'] == [JUMP]
    assert any(np.any(tracks['2'].mask(frame) ^ tracks['1'].mask(frame)) for frame in range(JUMP, FRAMES))


def test_one_prompted_frame_online_is_the_semi_supervised_protocol(micro128: Sam2Network, drawn: VideoSequence) -> None:
    online = [track for track in make_protocol('folder', 'online').run(micro128, 'dam', drawn) if track.run == '1']
    plain = make_protocol('folder', prompt='3-click').run(micro128, 'dam', drawn)
    for one, other in zip(online, plain, strict=True):
        assert one.frames == other.frames
        differing = sum(np.count_nonzero(one.mask(frame) ^ other.mask(frame)) for frame in one.frames)
        assert differing <= 20  # batches of other sizes are added up in another order


def test_offline_corrects_the_worst_frame_and_tracks_all_again(
    micro128: Sam2Network, jumping: VideoSequence, given: list[tuple[int, Prompt]]
) -> None:
    tracks = {track.run: track for track in make_protocol('folder', 'offline').run(micro128, 'sam2', jumping)}
    assert list(tracks) == [str(number) for number in range(1, 9)]
    prompted = list(dict.fromkeys(frame for frame, _ in given))
    first = overlaps(tracks['1'], jumping)[:-1]  # the last frame does not count
    assert prompted[:2] == [0, 1 + int(np.argmin(first))]
    assert len(set(prompted)) == len(prompted) <= FRAMES - 1
    assert all(len(one.points) <= 3 for _, one in given)
    options = SessionOptions(max_conditioning=None, clear_on_correction=False)  # those of the official predictor
    with VideoSession(micro128, [jumping.image(frame) for frame in range(FRAMES)], options=options) as session:
        for frame, one in list(given):
            if frame == 0:
                session.prompt(frame, one)
        plain = [result['1'].mask for result in session.propagate()]
    assert all(np.array_equal(mask, tracks['1'].mask(frame)) for frame, mask in enumerate(plain))


def test_anchors_are_tracked_forwards_and_backwards(micro128: Sam2Network, tmp_path: Path) -> None:
    layouts.vot(tmp_path, boxes=True)
    (tmp_path / 'ants/anchor.value').write_text('1\n0\n0\n0\n-1\n0\n')
    sequence = open_dataset('vot', tmp_path).sequence('ants')
    forwards, backwards = make_protocol('vot').run(micro128, 'sam2', sequence)
    assert forwards.frames == tuple(range(layouts.FRAMES)) and backwards.frames == (4, 3, 2, 1, 0)
    assert np.mean(overlaps(forwards, sequence)) > 0.5 and np.mean(overlaps(backwards, sequence)) > 0.5
