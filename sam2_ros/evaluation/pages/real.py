"""The result page of filmed clips: tables in Markdown, by object and by clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.measures.scores import Per, RunScore, mean_figure, paired_difference, summarise
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.evaluation.pages.synthetic import MEASURES, SUMMARY_HEADS, summary_cells

PAGE = 'real.md'
MEANS: dict[str, Per] = {'object': 'target', 'clip': 'clip'}  # what has the same weight in a mean, by its name
DEFINITIONS = f"""\
All objects of a clip are tracked together. Each is prompted in the first frame that shows it and never corrected. All
frames after that one are scored, also the last one, which DAVIS leaves out.
{MEASURES}\
 over all frames of those objects that are hidden in some.

"per object": all objects have the same weight. "per clip": all clips have the same weight, and figures of a clip are
means over its objects. ± is the standard error over objects or clips; for AUC it is that of the jackknife. Objects of
one clip are no independent samples. The memories are those of sam2_ros/tracking/policies.py."""

_COMPARED = {'J': 'mean_region', 'J visible': 'visible_region', 'F': 'mean_contour', 'R': 'robustness'}
_BY_CLIP = 'J', 'F', 'R'


@dataclass(frozen=True, eq=False)
class RealReport:
    """What the page tells.

    Attributes:
        introduction: what was run on what, and how to repeat it; Markdown.
        names: of the clips, by number.
        policies: the last one is compared with the first one.
        prompts: kinds of prompts.
        scores: of all runs.
    """

    introduction: str
    names: Mapping[int, str]
    policies: Sequence[str]
    prompts: Sequence[str]
    scores: Sequence[RunScore]

    def select(self, policy: str, prompt: str) -> list[RunScore]:
        """The scores of one policy and kind of prompt."""
        return [run for run in self.scores if (run.key.policy, run.key.prompt) == (policy, prompt)]


def real_page(report: RealReport) -> str:
    """The page in Markdown."""
    sections = ['# Filmed clips', report.introduction, DEFINITIONS, '## All clips', _summary(report)]
    if len(report.policies) > 1:
        sections += [f'## {report.policies[-1]} against {report.policies[0]}', _comparison(report)]
    for prompt in report.prompts:
        sections += [f'## Each clip, from a {prompt}', _clips(report, prompt)]
    return '\n\n'.join(sections) + '\n'


def _summary(report: RealReport) -> str:
    rows = []
    for prompt in report.prompts:
        for policy in report.policies:
            runs = report.select(policy, prompt)
            leaving = [run for run in runs if not run.visible.all()]
            for name, per in MEANS.items():
                *figures, _ = summary_cells(summarise(runs, per=per))
                area = summary_cells(summarise(leaving, per=per))[-1] if leaving else ''
                rows.append([prompt, policy, name, *figures, area])
    runs = report.select(report.policies[0], report.prompts[0])
    vanishing = sum(not run.visible.all() for run in runs)
    introduction = (
        f'{len(runs)} objects in {len(report.names)} clips. Hidden at times: {vanishing} of them. '
        f'Of all frames, {_hidden(runs):.0%} hide their object.'
    )
    return introduction + '\n\n' + markdown_table(['prompt', 'memory', 'per', *SUMMARY_HEADS], rows)


def _comparison(report: RealReport) -> str:
    rows = []
    for prompt in report.prompts:
        runs = report.select(report.policies[-1], prompt), report.select(report.policies[0], prompt)
        for name, per in MEANS.items():
            differences = [paired_difference(*runs, measure, per=per) for measure in _COMPARED.values()]
            rows.append([prompt, name, *(f'{difference:+}' for difference in differences)])
    return 'Mean and standard error of the difference on the same object or clip.\n\n' + markdown_table(
        ['prompt', 'per', *_COMPARED], rows
    )


def _clips(report: RealReport, prompt: str) -> str:
    heads = ['clip', 'objects', 'frames', 'hidden']
    heads += [f'{measure} {policy}' for measure in _BY_CLIP for policy in report.policies]
    rows = []
    for number, name in report.names.items():
        by_policy = [
            [run for run in report.select(policy, prompt) if run.key.clip == number] for policy in report.policies
        ]
        first = by_policy[0]
        figures = [f'{mean_figure(runs, _COMPARED[measure]).value:.3f}' for measure in _BY_CLIP for runs in by_policy]
        frames = 1 + max(len(run.visible) for run in first)
        rows.append([name, str(len(first)), str(frames), f'{_hidden(first):.0%}', *figures])
    return 'Means over the objects of a clip.\n\n' + markdown_table(heads, rows)


def _hidden(runs: Sequence[RunScore]) -> float:
    """Of all scored frames, the share that hides the object."""
    return float(1 - np.mean(np.concatenate([run.visible for run in runs])))
