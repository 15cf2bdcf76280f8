"""The page of a distillation: all videos in the order of their look-alikes, each with a picture; and its lists."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sam2_ros.evaluation.distillation import VideoDistractors, picture_of
from sam2_ros.evaluation.measures.distractors import RESEMBLES
from sam2_ros.evaluation.pages.document import (
    Block,
    Bullets,
    Heading,
    Paragraph,
    Picture,
    Table,
    to_html,
    to_markdown,
)
from sam2_ros.files.writing import write_whole

MARKDOWN, HTML, RANKING, LIST = 'results.md', 'results.html', 'ranking.csv', 'list.txt'
COLUMNS = ('video', 'object', 'frames', 'share', 'mean_ratio', 'listed')


@dataclass(frozen=True, eq=False)
class DistillReport:
    """What the page tells.

    Attributes:
        folder: where it goes.
        introduction: how to repeat it; an item each.
        videos: that were measured.
        failures: by video why it could not be measured.
        ratio: a frame has distractors if more than this times the target's area resembles the target.
        least_share: a video is listed if at least this share of its frames has distractors.
    """

    folder: Path
    introduction: Sequence[str]
    videos: Sequence[VideoDistractors]
    failures: Mapping[str, str]
    ratio: float
    least_share: float

    @property
    def ranked(self) -> list[VideoDistractors]:
        """Most look-alikes first."""
        return sorted(self.videos, key=lambda one: (-one.share(self.ratio), -one.mean_ratio, one.full_name))

    def is_listed(self, video: VideoDistractors) -> bool:
        return bool(video.frames) and video.share(self.ratio) >= self.least_share


def write_distill_page(report: DistillReport) -> Path:
    """Write the page in Markdown and HTML, the ranking as a table of values, and the names of the listed videos.

    Returns:
        The page in HTML.
    """
    ranked = report.ranked
    listed = [one for one in ranked if report.is_listed(one)]
    blocks: list[Block] = [
        Heading('Videos by distractors', 1),
        Bullets(report.introduction),
        Paragraph(_rules(report)),
        Paragraph(f'Listed: {len(listed)} of {len(ranked)} videos, in `{LIST}`; all figures are in `{RANKING}`.'),
        Table(['video', 'object', 'frames', 'frames with distractors', 'mean ratio', ''], _rows(report, ranked)),
    ]
    if report.failures:
        failed = [f'{name}: {reason}' for name, reason in report.failures.items()]
        blocks += [Heading('What could not be measured'), Bullets(failed)]
    blocks += [
        Heading('Pictures'),
        Paragraph(
            'White: outline of the target. Pink: what resembles it, by the cells of the feature map. Of every third of '
            'a video the frame with most of it, and its ratio.'
        ),
        *(
            Picture(picture_of(one.full_name), f'{rank}. {one.full_name}, {_score(report, one)}')
            for rank, one in enumerate(ranked, 1)
            if one.frames
        ),
    ]
    write_whole(report.folder / RANKING, _csv(report, ranked).encode())
    write_whole(report.folder / LIST, ''.join(f'{one.full_name}\n' for one in listed).encode())
    write_whole(report.folder / MARKDOWN, to_markdown(blocks).encode())
    write_whole(report.folder / HTML, to_html(blocks).encode())
    return report.folder / HTML


def _rules(report: DistillReport) -> str:
    return (
        "The ratio of a frame is the area outside the target that resembles the target, by the target's own area, at "
        'most 5. A place resembles it if the cosine similarity of its feature to the mean feature of the target is '
        f"above {RESEMBLES} times the target's own mean similarity. Features are the coarsest of the network's image "
        'encoder, whitened by what is outside the target in the same frame; of a box, an ellipse in it stands for the '
        f'target. A frame has distractors if its ratio is above {report.ratio:g}; a video is listed if that holds for '
        f'at least {report.least_share:.1%} of its frames. Of several objects the one with the highest mean ratio '
        'counts.\n\n'
        'DiDi was made in this way with features of DINOv2, then sorted by hand. Its exact settings are not published, '
        'so this list is not that of DiDi.'
    )


def _rows(report: DistillReport, ranked: Sequence[VideoDistractors]) -> list[list[str]]:
    return [
        [
            one.full_name,
            one.object_id,
            str(len(one.frames)),
            f'{one.share(report.ratio):.3f}' if one.frames else '',
            f'{one.mean_ratio:.3f}' if one.frames else '',
            'listed' if report.is_listed(one) else '' if one.frames else 'no frame to measure',
        ]
        for one in ranked
    ]


def _score(report: DistillReport, one: VideoDistractors) -> str:
    listed = 'listed' if report.is_listed(one) else 'not listed'
    return (
        f'object {one.object_id}: {one.share(report.ratio):.0%} of {len(one.frames)} frames with distractors, '
        f'mean ratio {one.mean_ratio:.2f}, {listed}'
    )


def _csv(report: DistillReport, ranked: Sequence[VideoDistractors]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(COLUMNS)
    for one in ranked:
        figures = (one.share(report.ratio), one.mean_ratio)
        writer.writerow(
            (
                one.full_name,
                one.object_id,
                len(one.frames),
                *(f'{value:.6f}' for value in figures),
                report.is_listed(one),
            )
        )
    return stream.getvalue()
