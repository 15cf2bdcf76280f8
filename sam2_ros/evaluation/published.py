"""Figures that others have published, for comparison. None of them was measured with this package.

From the papers of SAM 2 (Ravi et al., ICLR 2025; tables 4 and 7, and those of interactive segmentation) and DAM4SAM
(Videnovic, Lukezic and Kristan, CVPR 2025; tables 1, 2 and 6), whose tables name the methods' own papers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SAM2, DAM4SAM = 'SAM 2 (ICLR 2025)', 'DAM4SAM (CVPR 2025)'
# Rows of the ablation of DAM4SAM, by the name of the memory here.
ABLATION = {
    'sam2': 'SAM2.1',
    'pres': 'SAM2.1 PRES',
    'interval': 'SAM2.1 Δ=5',
    'drm1': 'SAM2.1 DRM1',
    'drm2': 'SAM2.1 DRM2',
    'dam': 'SAM2.1++ (DAM)',
}


@dataclass(frozen=True)
class PublishedTable:
    """A table of figures.

    Attributes:
        source: the paper.
        columns: names of figures, as the protocol has them.
        rows: values by method, in [0, 100] or [0, 1] as they are published.
    """

    source: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]


def _columns(names: tuple[str, ...], table: Mapping[str, tuple[float | None, ...]]) -> dict[str, dict[str, float]]:
    """By column the values of the rows that have one."""
    return {
        name: {method: value for method, row in table.items() if (value := row[place]) is not None}
        for place, name in enumerate(names)
    }


_VOS = _columns(
    ('mose valid', 'davis2017 val', 'lvos val', 'sav val', 'sav test', 'youtube-vos valid'),
    {
        'STCN': (52.5, 85.4, None, 61.0, 62.5, 82.7),
        'SwinB-AOT': (59.4, 85.4, None, 51.1, 50.3, 84.5),
        'SwinB-DeAOT': (59.9, 86.2, None, 61.4, 61.8, 86.1),
        'RDE': (46.8, 84.2, None, 51.8, 53.9, 81.9),
        'XMem': (59.6, 86.0, None, 60.1, 62.3, 85.6),
        'SimVOS-B': (None, 88.0, None, 44.2, 44.1, 84.2),
        'JointFormer': (None, 90.1, None, None, None, 87.4),
        'ISVOS': (None, 88.2, None, None, None, 86.3),
        'DEVA': (66.0, 87.0, 55.9, 55.4, 56.2, 85.4),
        'Cutie-base': (69.9, 87.9, 66.0, 60.7, 62.7, 87.0),
        'Cutie-base+': (71.7, 88.1, None, 61.3, 62.8, 87.5),
        'SAM 2 (Hiera-B+)': (76.6, 90.2, 78.0, 76.8, 77.0, 88.6),
        'SAM 2 (Hiera-L)': (77.9, 90.7, 78.0, 77.9, 78.4, 89.3),
    },
)
_PROMPTS = _columns(
    ('1-click', '3-click', '5-click', 'box', 'mask'),
    {
        'SAM+XMem++': (56.9, 68.4, 70.6, 67.6, 72.7),
        'SAM+Cutie': (56.7, 70.1, 72.2, 69.4, 74.1),
        'SAM 2': (64.7, 75.3, 77.6, 74.4, 79.3),
    },
)
_INTERACTIVE_SETS = (
    'endovis2018', 'esd', 'lvos', 'lv-vis', 'pumavos', 'uvo', 'vipseg', 'virtual-kitti2', 'vost', 'mean of nine',
)  # fmt: skip
_INTERACTIVE = {
    'offline': _columns(
        _INTERACTIVE_SETS,
        {
            'SAM + XMem++': (68.9, 88.2, 72.1, 86.4, 60.2, 74.5, 84.2, 63.8, 46.6, 71.7),
            'SAM + Cutie': (71.8, 87.6, 82.1, 87.1, 59.4, 75.2, 84.4, 70.3, 54.3, 74.7),
            'SAM 2': (77.0, 90.2, 87.9, 90.3, 68.5, 79.2, 88.3, 74.1, 67.5, 80.3),
        },
    ),
    'online': _columns(
        _INTERACTIVE_SETS,
        {
            'SAM + XMem++': (71.4, 87.8, 72.9, 85.2, 63.7, 74.7, 82.5, 63.9, 52.7, 72.8),
            'SAM + Cutie': (70.5, 87.3, 80.6, 86.0, 58.9, 75.2, 82.1, 70.4, 54.6, 74.0),
            'SAM 2': (77.5, 88.9, 87.8, 88.7, 72.7, 78.6, 85.5, 74.0, 65.0, 79.8),
        },
    ),
}
_BOXES = _columns(
    ('lasot test', 'lasot-ext all', 'got10k test'),
    {
        'MixViT': (72.4, None, 75.7),
        'LORAT': (75.1, 56.6, 78.2),
        'ODTrack': (74.0, 53.9, 78.2),
        'DiffusionTrack': (72.3, None, 74.7),
        'DropTrack': (71.8, 52.7, 75.9),
        'SeqTrack': (72.5, 50.7, 74.8),
        'MixFormer': (70.1, None, 71.2),
        'GRM-256': (69.9, None, 73.4),
        'ROMTrack': (71.4, 51.3, 74.2),
        'OSTrack': (71.1, 50.5, 73.7),
        'KeepTrack': (67.1, 48.2, None),
        'TOMP': (68.5, None, None),
        'SAM2.1': (70.0, 56.9, 80.7),
        'SAM2.1++ (DAM)': (75.1, 60.9, 81.1),
    },
)
_BOX_FIGURES = {'lasot': 'AUC', 'lasot-ext': 'AUC', 'got10k': 'AO'}
DIDI = PublishedTable(
    DAM4SAM,
    ('Q', 'A', 'R'),
    {
        'SAMURAI': (0.680, 0.722, 0.930),
        'SAM2.1Long': (0.646, 0.719, 0.883),
        'ODTrack': (0.608, 0.740, 0.809),
        'Cutie': (0.575, 0.704, 0.776),
        'AOT': (0.541, 0.622, 0.852),
        'AQATrack': (0.535, 0.693, 0.753),
        'SeqTrack': (0.529, 0.714, 0.718),
        'KeepTrack': (0.502, 0.646, 0.748),
        'TransT': (0.465, 0.669, 0.678),
        'SAM2.1': (0.649, 0.720, 0.887),
        'SAM2.1++ (DAM)': (0.694, 0.727, 0.944),
    },
)
DIDI_ABLATION = PublishedTable(
    DAM4SAM,
    ('Q', 'A', 'R'),
    {
        ABLATION['sam2']: (0.649, 0.720, 0.887),
        ABLATION['pres']: (0.665, 0.723, 0.903),
        ABLATION['interval']: (0.667, 0.718, 0.914),
        ABLATION['drm1']: (0.672, 0.710, 0.932),
        ABLATION['drm2']: (0.644, 0.691, 0.913),
        ABLATION['dam']: (0.694, 0.727, 0.944),
    },
)


def published(dataset: str, split: str, protocol: str) -> list[PublishedTable]:
    """The published tables that a run can be put beside.

    Args:
        dataset: a key of `DATASETS`.
        split: of it.
        protocol: name of the protocol with its prompt, such as 'semi-supervised, mask'.
    """
    kind, _, prompt = protocol.partition(', ')
    tables = []
    if kind == 'semi-supervised' and prompt == 'mask' and f'{dataset} {split}' in _VOS:
        figure = 'G' if dataset == 'youtube-vos' else 'J&F'
        tables.append(_table(SAM2, figure, _VOS[f'{dataset} {split}']))
    if kind == 'semi-supervised':
        mean = {f'{method} (mean of 17 data sets)': value for method, value in _PROMPTS[prompt].items()}
        tables.append(_table(SAM2, 'J&F', mean))
    if kind in _INTERACTIVE:
        own = _INTERACTIVE[kind].get(dataset) or {
            f'{method} (mean of nine data sets)': value for method, value in _INTERACTIVE[kind]['mean of nine'].items()
        }
        tables.append(_table(SAM2, 'J&F', own))
    if f'{dataset} {split}' in _BOXES:
        tables.append(_table(DAM4SAM, _BOX_FIGURES[dataset], _BOXES[f'{dataset} {split}']))
    if dataset == 'didi':
        tables.append(DIDI)
    return tables


def _table(source: str, figure: str, rows: Mapping[str, float]) -> PublishedTable:
    return PublishedTable(source, (figure,), {method: (value,) for method, value in rows.items()})
