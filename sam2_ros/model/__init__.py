"""The networks of SAM 2, EdgeTAM and EfficientTAM: torch modules without state that know no videos, files or ROS."""

from sam2_ros.model.build import build_sam2
from sam2_ros.model.config import VARIANTS, HieraConfig, ModelConfig, PlainVitConfig, RepVitConfig
from sam2_ros.model.sam2_network import Sam2Network
from sam2_ros.model.segmenter import ImageSegmenter
from sam2_ros.model.verbs import ImageFeatures, MaskDecoding, MemoryRead, Network

__all__ = [
    'VARIANTS',
    'HieraConfig',
    'ImageFeatures',
    'ImageSegmenter',
    'MaskDecoding',
    'MemoryRead',
    'ModelConfig',
    'Network',
    'PlainVitConfig',
    'RepVitConfig',
    'Sam2Network',
    'build_sam2',
]
