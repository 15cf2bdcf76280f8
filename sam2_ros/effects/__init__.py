"""Effects on objects or their background: erase, hide, tint, cut out; masks and images in, images out."""

from sam2_ros.effects.effects import EFFECTS, Effect, EffectOptions, apply_effect, cut_out, replace_background
from sam2_ros.effects.erase import erase
from sam2_ros.effects.held import HeldMasks

__all__ = [
    'EFFECTS',
    'Effect',
    'EffectOptions',
    'HeldMasks',
    'apply_effect',
    'cut_out',
    'erase',
    'replace_background',
]
