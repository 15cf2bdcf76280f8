"""Masklets of whole videos without a human, then corrected by one: what is there, how it moves, and what was wrong."""

from sam2_ros.labelling.automatic import find_masklets
from sam2_ros.labelling.correcting import apply_corrections
from sam2_ros.labelling.corrections import Correction, read_corrections
from sam2_ros.labelling.labels import LabelledObject, Labels
from sam2_ros.labelling.options import LabelOptions

__all__ = [
    'Correction',
    'LabelOptions',
    'LabelledObject',
    'Labels',
    'apply_corrections',
    'find_masklets',
    'read_corrections',
]
