"""The result page of the benchmark: tables in Markdown, charts of J over time, film strips of the worst clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam2_ros.drawing.charts import film_strip, line_chart, save_picture
from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.measures.scores import Mean, RunScore, Summary, paired_difference, summarise
from sam2_ros.evaluation.measures.speed import WARM_UP_FRAMES, FrameTime
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.evaluation.predictions import Prediction

PAGE = 'synthetic.md'

_WORST_CLIPS, _STRIP_FRAMES = 3, 6
_COMPARED = 'mean_region', 'visible_region', 'robustness'
SUMMARY_HEADS = 'J', 'J visible', 'F', 'J&F', 'R', 'AUC'
MEASURES = """\
J: intersection over union; 1 where the target is hidden and the mask is empty.
"J visible": J over the frames that show the target. F: contour accuracy as in DAVIS. R, robustness: of the frames that
show the target, the share in which mask and target overlap at all. AUC: area under the ROC curve of the object score
against visibility,"""
DEFINITIONS = f"""\
In every clip one target is prompted in the first frame and never corrected. All frames but the first are scored, also
the last one, which DAVIS leaves out. {MEASURES}\
 over all frames of the subset. ± is the standard error over clips, each of which has its own seed;
for AUC it is that of the jackknife. A clip of another length is another film: compare only figures of clips with
equally many frames. The memories are those of sam2_ros/tracking/policies.py."""

CREDITS = """\
The pictures show pieces of photographs, which are listed as `PHOTOS` in sam2_ros/synthetic/textures.py. They are public
domain, CC0 or without known restrictions, except two under CC BY 2.0: flower.jpg by vultilion and china.jpg by
danielbuechele (Flickr)."""


@dataclass(frozen=True, eq=False)
class SyntheticReport:
    """What the page tells.

    Attributes:
        introduction: what was run on what, and how to repeat it; Markdown.
        subsets: names, in the order of the page.
        policies: the last one is compared with the first one, and its worst clips are shown.
        prompts: kinds of prompts. Charts and film strips show the first one.
        scores: of all runs.
        times: time per frame of each policy.
    """

    introduction: str
    subsets: Sequence[str]
    policies: Sequence[str]
    prompts: Sequence[str]
    scores: Sequence[RunScore]
    times: Sequence[FrameTime]

    def select(self, subset: str, policy: str, prompt: str) -> list[RunScore]:
        """The scores of one subset, policy and kind of prompt."""
        wanted = subset, policy, prompt
        return [run for run in self.scores if (run.subset, run.key.policy, run.key.prompt) == wanted]


def write_report(
    folder: Path, report: SyntheticReport, *, load: Callable[[RunScore], tuple[TargetClip, Prediction]]
) -> Path:
    """Write the page and its pictures.

    Args:
        folder: where they go; made if need be.
        report: what the page tells.
        load: gives the clip and the prediction of a score.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections = ['# Synthetic benchmark', report.introduction, DEFINITIONS]
    if len(report.policies) > 1:
        sections += [f'## {report.policies[-1]} against {report.policies[0]}', _comparison(report)]
    sections += ['## Time per frame', time_table(report.times)]
    for subset in report.subsets:
        sections += [f'## {subset}', _table(report, subset), _charts(folder, report, subset, load=load)]
    sections.append(CREDITS)
    page = folder / PAGE
    page.write_text('\n\n'.join(sections) + '\n')
    return page


def _table(report: SyntheticReport, subset: str) -> str:
    rows = []
    for prompt in report.prompts:
        for policy in report.policies:
            rows.append([prompt, policy, *summary_cells(summarise(report.select(subset, policy, prompt)))])
    runs = report.select(subset, report.policies[0], report.prompts[0])
    hidden = 1 - np.mean(np.concatenate([run.visible for run in runs]))
    introduction = f'{len(runs)} clips of {len(runs[0].visible) + 1} frames, target hidden in {hidden:.0%} of them.'
    return introduction + '\n\n' + markdown_table(['prompt', 'memory', *SUMMARY_HEADS], rows)


def summary_cells(summary: Summary) -> list[str]:
    """The figures of a summary, in the order of `SUMMARY_HEADS`; empty where there is nothing to measure."""
    return [
        str(summary.region),
        str(summary.visible_region),
        str(summary.contour),
        f'{summary.region_and_contour:.3f}',
        str(summary.robustness),
        '' if math.isnan(summary.roc_auc.value) else str(summary.roc_auc),
    ]


def _comparison(report: SyntheticReport) -> str:
    baseline, policy = report.policies[0], report.policies[-1]
    rows = []
    for subset in report.subsets:
        for prompt in report.prompts:
            runs = report.select(subset, policy, prompt), report.select(subset, baseline, prompt)
            differences = [paired_difference(*runs, measure) for measure in _COMPARED]
            rows.append([subset, prompt, *(f'{difference:+}' for difference in differences)])
    return 'Mean and standard error of the difference on the same clip.\n\n' + markdown_table(
        ['subset', 'prompt', 'J', 'J visible', 'R'], rows
    )


def time_table(times: Sequence[FrameTime]) -> str:
    """A table of times per frame, with a sentence on what was timed."""
    rows = [
        [time.name, f'{time.median:.1f}', f'{1000 / time.median:.1f}', str(Mean(time.ratio, time.ratio_error))]
        for time in times
    ]
    header = ['', 'median ms', 'frames per second', f'mean time, {times[0].name} = 1']
    return (
        f'One object, from the image to its mask, after the first {WARM_UP_FRAMES} frames of each clip. All take turns '
        'on every frame.\n\n' + markdown_table(header, rows)
    )


def _charts(
    folder: Path, report: SyntheticReport, subset: str, *, load: Callable[[RunScore], tuple[TargetClip, Prediction]]
) -> str:
    prompt, policy = report.prompts[0], report.policies[-1]
    curves = {name: _region_over_time(report.select(subset, name, prompt)) for name in report.policies}
    chart, strips = f'synthetic_{subset}.png', f'synthetic_{subset}_worst.jpg'
    title = f'{subset}: mean J of the visible target, {prompt} prompt'
    save_picture(folder / chart, line_chart(curves, title=title, x_label='frame'))
    worst = sorted(report.select(subset, policy, prompt), key=lambda run: run.mean_region)[:_WORST_CLIPS]
    save_picture(folder / strips, np.vstack([_strip(run, *load(run)) for run in worst]))
    shown = ', '.join(f'clip {run.key.clip} (J {run.mean_region:.2f})' for run in worst)
    return (
        f'![{title}]({chart})\n\nThe worst clips of {policy} from a {prompt}: {shown}. '
        f'Pink: prediction; white: outline of the target.\n\n![worst clips]({strips})'
    )


def _region_over_time(runs: Sequence[RunScore]) -> np.ndarray:
    """Mean J by frame over the clips that show the target; NaN in the first frame and where no clip shows it."""
    region, visible = (np.stack([getattr(run, name) for run in runs]) for name in ('region', 'visible'))
    shown = visible.sum(axis=0)
    mean = (region * visible).sum(axis=0) / np.maximum(shown, 1)
    return np.concatenate([[np.nan], np.where(shown > 0, mean, np.nan)])


def _strip(run: RunScore, clip: TargetClip, track: Prediction) -> np.ndarray:
    frames = np.linspace(0, len(clip.images) - 1, _STRIP_FRAMES).astype(int)
    captions = [f'clip {run.key.clip}: prompt']
    captions += [
        f'{frame}: J {run.region[frame - 1]:.2f}' + ('' if run.visible[frame - 1] else ' hidden')
        for frame in frames[1:]
    ]
    return film_strip([clip.images[frame] for frame in frames], track.masks[frames], clip.truth[frames], captions)
