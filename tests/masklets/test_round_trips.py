"""What a format holds comes back from its files as it was written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sam2_ros.masklets import FORMATS, AnnotatedVideo, format_of, read_masklets, write_masklets
from tests.masklets.videos import free_videos, label_videos, masklet, square, video


def round_trip(videos: Iterable[AnnotatedVideo], name: str, *, frame_rate: float | None = None) -> list[AnnotatedVideo]:
    """Write and read again; the reader finds the format by itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ('set.json' if FORMATS[name].one_file else 'set')
        write_masklets(videos, path, format=name)
        assert format_of(path).name == name
        return list(read_masklets(path, frame_rate=frame_rate))


@settings(max_examples=40)
@given(free_videos(name='first'), free_videos(name='second'))
def test_sav_json(first: AnnotatedVideo, second: AnnotatedVideo) -> None:
    assert round_trip([first, second], 'sav') == [first, second]


def test_sav_json_keeps_kinds_edits_and_scores() -> None:
    by_hand = masklet(3, {0: square(0, 0)}, edited_frames=2)
    found = masklet(3, {0: square(1, 1), 8: square(2, 2)}, kind='auto', stability={0: 0.25, 8: 1.0})
    clip = video(by_hand, found)
    assert round_trip([clip], 'sav') == [clip]


@settings(max_examples=40)
@given(free_videos(name='first', stride=5), free_videos(name='second', stride=1))
def test_youtube_vis(first: AnnotatedVideo, second: AnnotatedVideo) -> None:
    assert round_trip([first, second], 'youtube-vis') == [first, second]


@settings(max_examples=40)
@given(free_videos(name='first', stride=5), free_videos(name='second', stride=1))
def test_coco_video(first: AnnotatedVideo, second: AnnotatedVideo) -> None:
    assert round_trip([first, second], 'coco-video') == [first, second]


def test_coco_video_keeps_kinds_edits_and_scores() -> None:
    by_hand = masklet(3, {0: square(0, 0)}, edited_frames=2)
    found = masklet(4, {0: square(1, 1), 8: square(2, 2)}, kind='auto', stability={0: 0.25, 8: 1.0}, class_name='cup')
    clip = video(by_hand, found, masklet(9, {}, class_name='never seen'))
    assert round_trip([clip], 'coco-video') == [clip]


@settings(max_examples=40)
@given(free_videos(described=False))
def test_sav_folders(clip: AnnotatedVideo) -> None:
    assume(clip.masklets)
    assert round_trip([clip], 'sav-folders') == [clip]


@settings(max_examples=40)
@given(label_videos(name='first', stride=5), label_videos(name='second'))
def test_davis(first: AnnotatedVideo, second: AnnotatedVideo) -> None:
    assert round_trip([first, second], 'davis') == [first, second]


NUMBERS = (1001, 1002, 2001, 10000)
CLASSES = {1001: 'car', 1002: 'car', 2001: 'pedestrian', 10000: 'ignore'}


def with_classes(clip: AnnotatedVideo) -> AnnotatedVideo:
    return replace(clip, masklets=tuple(replace(one, class_name=CLASSES[one.number]) for one in clip.masklets))


@settings(max_examples=40)
@given(label_videos(numbers=NUMBERS).map(with_classes), st.sampled_from([10.0, 30.0]))
def test_mots_images(clip: AnnotatedVideo, rate: float) -> None:
    clip = replace(clip, frame_rate=rate)
    assert round_trip([clip], 'mots-png', frame_rate=rate) == [clip]


@settings(max_examples=40)
@given(label_videos(numbers=NUMBERS).map(with_classes))
def test_mots_texts(clip: AnnotatedVideo) -> None:
    assume(clip.masklets)
    assert round_trip([clip], 'mots-txt', frame_rate=24.0) == [clip]


@settings(max_examples=40)
@given(label_videos())
def test_formats_of_label_images_say_the_same(clip: AnnotatedVideo) -> None:
    """Through all formats one after the other: masks stay what they were."""
    assume(clip.masklets)
    clip = clip.numbered()
    seen = clip
    for name in FORMATS:
        if name != 'sav':  # not every fourth frame
            (seen,) = round_trip([seen], name)
    assert [dict(one.masks) for one in seen.masklets] == [dict(one.masks) for one in clip.masklets]
