"""Still images: all objects of one at once, without prompts."""

from sam2_ros.images.automatic_masks import AutomaticMaskGenerator, MaskRecord

__all__ = ['AutomaticMaskGenerator', 'MaskRecord']
