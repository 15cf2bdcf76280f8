"""What the diagnostics say about the detector and what its boxes were good for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from sam2_ros.nodes.edge.diagnostics import OK, WARN, status
from sam2_ros.nodes.tracker.detection_input import DetectionInput

COUNTED = {  # in the journal -> in the diagnostics
    'detection_messages': 'messages',
    'detections': 'boxes',
    'detections_matched': 'matched with an object',
    'detections_started': 'objects started',
    'detections_corrected': 'objects corrected',
    'detections_merged': 'objects merged with another',
    'detections_removed': 'objects removed, unsupported',
    'detections_withdrawn': 'objects withdrawn, mask does not fit',
    'detections_refused': 'prompts refused',
    'detections_held_covered': 'held back, part of an object',
    'detections_held_reappearing': 'held back, a hidden object may be back',
    'detections_held_barred': 'held back, removed before',
    'detections_held_full': 'held back, too many objects',
    'detections_held_failed_image': 'held back, image failed',
    'detections_weak': 'boxes too weak',
    'detections_outside': 'boxes outside the image',
    'detections_second_names': 'boxes with a second name',
    'detections_invalid': 'detections that are no box',
    'detections_unplaced': 'messages without an image',
    'detections_out_of_order': 'messages out of order',
}
UNUSUAL = {  # worth a warning while it happens
    'detections_held_full': 'things are not started, since max_objects are tracked already (detection_remove_after)',
    'detections_unplaced': 'messages found no image: their stamps must be copied from the images, see the log',
    'detections_invalid': 'detections were refused, see the log',
    'detections_outside': 'boxes lie outside the image: are they in its pixels? (detection_size, detection_fit)',
}


def detections_status(
    source: DetectionInput, *, counts: Mapping[str, int], fresh: Mapping[str, int], timeout: float, age: float | None
) -> DiagnosticStatus:
    """One status of the tracker's diagnostics.

    Args:
        source: the detector at the edge of the node.
        counts: all that was counted; `fresh`: since the last report.
        timeout: seconds without a message after which that is told.
        age: seconds from the stamp of the newest message to now; None without one.
    """
    level, message = OK, f'{source.prompts.waiting} things wait to be seen often enough'
    unusual = [f'{fresh[reason]} {what}' for reason, what in UNUSUAL.items() if fresh.get(reason)]
    if unusual:
        level, message = WARN, '; '.join(unusual)
    elif silence := source.silence(timeout):
        level, message = WARN, silence
    values: dict[str, Any] = {
        'topic': source.topic,
        'age of newest message, s': '' if age is None else f'{age:.3f}',
        'waiting': source.prompts.waiting,
    }
    values |= {name: counts.get(reason, 0) for reason, name in COUNTED.items()}
    return status('detections', level, message, values)
