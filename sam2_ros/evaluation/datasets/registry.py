"""All data sets by name. To add one, add a class (or a row of a layout table) and a line to `DATASETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sam2_ros.evaluation.datasets.dataset import Dataset
from sam2_ros.evaluation.datasets.got10k import SPLITS as GOT10K_SPLITS
from sam2_ros.evaluation.datasets.got10k import Got10k
from sam2_ros.evaluation.datasets.instance_json import InstanceJson
from sam2_ros.evaluation.datasets.label_folders import LABEL_LAYOUTS, LabelFolders
from sam2_ros.evaluation.datasets.lasot import Lasot
from sam2_ros.evaluation.datasets.meta_json import Lvos, YoutubeVos
from sam2_ros.evaluation.datasets.sav import Sav
from sam2_ros.evaluation.datasets.scene_folders import SCENE_LAYOUTS, SceneFolders
from sam2_ros.evaluation.datasets.utb180 import Utb180
from sam2_ros.evaluation.datasets.vot import VotDataset

MASK_PROTOCOLS = ('semi-supervised', 'online', 'offline')
ALL = ('all',)


@dataclass(frozen=True)
class DatasetEntry:
    """A data set.

    Attributes:
        title: for pages.
        protocols: names of those that it is made for, the default first.
        splits: accepted ones, the default first.
        open: makes it of its root and split.
    """

    title: str
    protocols: tuple[str, ...]
    splits: tuple[str, ...]
    open: Callable[[Path, str], Dataset]


def _folders(title: str, layout: str) -> DatasetEntry:
    return DatasetEntry(
        title, MASK_PROTOCOLS, LABEL_LAYOUTS[layout].splits, lambda root, split: LabelFolders(root, layout, split)
    )


def _scenes(title: str, layout: str) -> DatasetEntry:
    return DatasetEntry(
        title, MASK_PROTOCOLS, SCENE_LAYOUTS[layout].splits, lambda root, split: SceneFolders(root, layout, split)
    )


def _uvo(root: Path, split: str) -> InstanceJson:
    plain = root / 'VideoDenseSet' / f'UVO_video_{split}_dense.json'
    labelled = plain.with_name(f'UVO_video_{split}_dense_with_label.json')
    return InstanceJson(labelled if labelled.is_file() else plain, root / 'uvo_videos_dense_frames')


def _lv_vis(root: Path, split: str) -> InstanceJson:
    return InstanceJson(root / f'{split}_instances.json', root / split)


def _lasot(root: Path, split: str, *, listing: str) -> Lasot:
    return Lasot(root, root / listing if split == 'test' else None)


def _vot(title: str, *protocols: str) -> DatasetEntry:
    return DatasetEntry(title, protocols, ALL, lambda root, _: VotDataset(root))


DATASETS: dict[str, DatasetEntry] = {
    'folder': _folders('Clips of your own', 'folder'),
    'davis2016': _folders('DAVIS 2016', 'davis2016'),
    'davis2017': _folders('DAVIS 2017', 'davis2017'),
    'mose': _folders('MOSE', 'mose'),
    'lvos': DatasetEntry('LVOS', MASK_PROTOCOLS, ('val', 'train', 'test'), Lvos),
    'sav': DatasetEntry('SA-V', MASK_PROTOCOLS, ('val', 'test'), Sav),
    'youtube-vos': DatasetEntry('YouTube-VOS', MASK_PROTOCOLS, ('valid', 'train', 'test'), YoutubeVos),
    'vost': _folders('VOST', 'vost'),
    'uvo': DatasetEntry('UVO', MASK_PROTOCOLS, ('val', 'train'), _uvo),
    'endovis2018': _scenes('EndoVis 2018', 'endovis2018'),
    'esd': _scenes('ESD', 'esd'),
    'lv-vis': DatasetEntry('LV-VIS', MASK_PROTOCOLS, ('val', 'train'), _lv_vis),
    'pumavos': _folders('PUMaVOS', 'pumavos'),
    'vipseg': _folders('VIPSeg', 'vipseg'),
    'virtual-kitti2': _scenes('Virtual KITTI 2', 'virtual_kitti2'),
    'lasot': DatasetEntry('LaSOT', ('boxes',), ('test', 'all'), partial(_lasot, listing='testing_set.txt')),
    'lasot-ext': DatasetEntry('LaSOText', ('boxes',), ('all', 'test'), partial(_lasot, listing='testing_set.txt')),
    'got10k': DatasetEntry('GOT-10k', ('boxes',), tuple(reversed(GOT10K_SPLITS)), Got10k),
    'utb180': DatasetEntry('UTB180', ('boxes',), ALL, lambda root, _: Utb180(root)),
    'vot': _vot('VOT-ST2020 or VOT-ST2022', 'anchors', 'vots'),
    'vots': _vot('VOTS', 'vots'),
    'didi': _vot('DiDi', 'vots'),
}


def open_dataset(name: str, root: Path, split: str = '') -> Dataset:
    """A data set on disk.

    Args:
        name: a key of `DATASETS`.
        root: its folder.
        split: one of its splits; the usual one if empty.

    Raises:
        ValueError: if there is no such data set, split or folder.
    """
    if name not in DATASETS:
        raise ValueError(f'there is no data set {name!r}; accepted are {", ".join(DATASETS)}')
    entry = DATASETS[name]
    split = split or entry.splits[0]
    if split not in entry.splits:
        raise ValueError(f'{entry.title} has no split {split!r}; accepted are {", ".join(entry.splits)}')
    if not root.is_dir():
        raise ValueError(f'{root} is no folder; it must be that of {entry.title}')
    return entry.open(root, split)
