"""Memory policies for the tracker, with the settings that give training the same memory."""

from dataclasses import replace

from sam2_ros.tracking import DamSettings, MemoryPolicy, make_policy
from sam2_ros.tracking.distractor import AnchorRule
from sam2_ros.tracking.policies import DistractorAwareMemory
from sam2_ros.training.rollout import RolloutSettings

DAM = DamSettings()
PLAIN = RolloutSettings(true_visibility=0.0, correction=0.0, gradient_frames=40, dam_memory=0.0)  # all frames are run
# every frame that may be an anchor is one, as in training with a probability of 1
ANCHORS = DistractorAwareMemory(DAM, DAM.ram_interval, AnchorRule(DAM, needs_reliability=False, needs_distractor=False))
POLICIES: dict[str, tuple[MemoryPolicy, RolloutSettings]] = {
    'sam2': (make_policy('sam2'), PLAIN),
    'dam, no anchors': (make_policy('interval'), replace(PLAIN, dam_memory=1.0, anchors=0.0)),
    'dam, anchors': (ANCHORS, replace(PLAIN, dam_memory=1.0, anchors=1.0)),
}
