"""The SAM 2 network: stateless torch modules that know nothing of videos, files or ROS."""

from sam2_ros.model.build import build_sam2
from sam2_ros.model.config import VARIANTS, ModelConfig
from sam2_ros.model.sam2_network import Sam2Network
from sam2_ros.model.segmenter import ImageSegmenter
from sam2_ros.model.verbs import ImageFeatures, MaskDecoding, MemoryRead, Network

__all__ = [
    'VARIANTS',
    'ImageFeatures',
    'ImageSegmenter',
    'MaskDecoding',
    'MemoryRead',
    'ModelConfig',
    'Network',
    'Sam2Network',
    'build_sam2',
]
