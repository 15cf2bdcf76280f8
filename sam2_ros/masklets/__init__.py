"""Masklets, the masks of objects over the frames of a video: read and written in the formats of public data sets."""

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.masklets.formats import FORMATS, MaskletFormat, format_of, read_masklets, write_masklets
from sam2_ros.masklets.masklet import AnnotatedVideo, Masklet
from sam2_ros.masklets.statistics import Statistics, statistics

__all__ = [
    'FORMATS',
    'AnnotatedVideo',
    'Masklet',
    'MaskletFormat',
    'RunLengths',
    'Statistics',
    'format_of',
    'read_masklets',
    'statistics',
    'write_masklets',
]
