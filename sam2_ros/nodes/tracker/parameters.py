"""The parameters of the tracker node. `python -m sam2_ros.nodes.tracker.parameters` prints config/tracker.yaml."""

from sam2_ros.detections.boxes import FITS
from sam2_ros.effects import EFFECTS
from sam2_ros.effects.held import HELD_FRAMES
from sam2_ros.model import VARIANTS
from sam2_ros.nodes.edge.decode_images import MAX_PIXELS
from sam2_ros.nodes.edge.parameters import AUTOSTART, Change, ParameterRow, yaml_text
from sam2_ros.nodes.tracker.overlay_effect import MASKS
from sam2_ros.tracking.policies import POLICY_NAMES

TRACKER_PARAMETERS = (
    AUTOSTART,
    # What runs.
    ParameterRow(
        'model',
        'sam2.1_hiera_micro',
        'Which network. sam2.1_hiera_micro has bundled weights, the others need a checkpoint.',
        choices=tuple(VARIANTS),
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'checkpoint',
        '',
        'File with the weights of the model, the .pt of Meta or a .safetensors. Empty: the bundled weights.',
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'device',
        'auto',
        'Where the network runs: cpu, cuda, cuda:1 ... auto: the first GPU, or the CPU when there is none.',
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'dtype',
        'auto',
        'Number format of the network. auto: bfloat16 on a GPU, float32 on a CPU.',
        choices=('auto', 'float32', 'bfloat16', 'float16'),
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'image_size',
        0,
        'Side of the square image the network sees, a multiple of 32 (edgetam: 256); smaller is faster. '
        '0: the size the model was trained at.',
        'pixels',
        0,
        2048,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'cpu_threads',
        0,
        'CPU threads the network may use. 0: as many as PyTorch chooses.',
        'threads',
        0,
        256,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'graphs',
        'auto',
        'auto: on a GPU, frames without prompts run as CUDA graphs, which is faster. off: they do not.',
        choices=('auto', 'off'),
        change=Change.UNCONFIGURED,
    ),
    # How objects are tracked.
    ParameterRow(
        'memory',
        'dam',
        'Memory policy: dam is distractor-aware, sam2 is the published SAM 2, pres to drm2 lie between; samurai heeds '
        'motion, sam2long follows three hypotheses.',
        choices=POLICY_NAMES,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'clear_on_correction',
        True,
        'A correction drops what the object had remembered since, because that is what was wrong.',
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'lost_after',
        5.0,
        'An object hidden for longer than this is LOST instead of OCCLUDED.',
        's',
        0.0,
        3600.0,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'max_hole_area',
        0,
        'Holes in a mask are filled up to this area. 0: they stay.',
        'mask pixels',
        0,
        65536,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'max_speck_area',
        0,
        'Specks beside a mask are removed up to this area. 0: they stay.',
        'mask pixels',
        0,
        65536,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'non_overlap',
        False,
        'Every pixel belongs to one object at most, that with the highest score there.',
        change=Change.UNCONFIGURED,
    ),
    ParameterRow('max_objects', 64, 'Prompts for more objects than this are refused.', 'objects', 1, 65535),
    # Images.
    ParameterRow(
        'image_transport',
        'raw',
        'Which images to listen to: image, or image/compressed.',
        choices=('raw', 'compressed'),
        change=Change.UNCONFIGURED,
    ),
    ParameterRow('image_timeout', 3.0, 'Without images for this long the node says what is wrong.', 's', 0.5, 3600.0),
    ParameterRow(
        'ring_images', 90, 'Images kept for prompts on past images.', 'images', 1, 10000, change=Change.UNCONFIGURED
    ),
    ParameterRow(
        'ring_megabytes',
        300.0,
        'Memory for the images kept for prompts on past images, as they came; as '
        'much again, at most, for the same images at the size of the network.',
        'MB',
        1.0,
        65536.0,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'max_image_pixels',
        MAX_PIXELS,
        'Images of more pixels than this are dropped, compressed ones before they are decoded.',
        'pixels',
        1,
        1_000_000_000,
    ),
    ParameterRow(
        'intensity_low',
        0,
        'Images of 16 bits: the value that is seen as black, if intensity_span is not 0.',
        'counts',
        0,
        65535,
    ),
    ParameterRow(
        'intensity_span',
        0,
        'Images of 16 bits: how far above intensity_low the value lies that is seen as '
        'white. 0: black and white follow the darkest and brightest hundredth of the images, slowly.',
        'counts',
        0,
        65535,
    ),
    ParameterRow(
        'reorder_window',
        1.0,
        'An image stamped earlier than the one before it by no more than this was '
        'overtaken on the way, by more it is wrong; either is dropped. Three in a row that agree are a '
        'clock that was set back or a bag that starts again.',
        's',
        0.0,
        60.0,
    ),
    ParameterRow(
        'on_time_jump', 'keep', 'What happens to the objects when stamps jump back.', choices=('keep', 'reset')
    ),
    # Prompts.
    ParameterRow(
        'stamp_tolerance',
        0.001,
        'A prompt may differ from the stamp of its image by this much (some clients round stamps).',
        's',
        0.0,
        1.0,
    ),
    ParameterRow(
        'prompt_wait',
        0.5,
        'A prompt stamped later than the newest image waits this long for its image, then it is refused.',
        's',
        0.0,
        10.0,
    ),
    ParameterRow(
        'max_prompt_points',
        256,
        'A prompt with more points than this is refused, those it extends included.',
        'points',
        1,
        4096,
    ),
    ParameterRow('click_object', '', 'Object that clicks go to. Empty: the object that was clicked on, or a new one.'),
    # Detections as prompts.
    ParameterRow(
        'detections',
        False,
        'Listen to a detector: its boxes start objects and give them classes. Needs vision_msgs.',
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'detection_size',
        (0, 0),
        "Width and height of the detector's input, if its boxes are in pixels of that. 0, 0: those of the image.",
        'pixels',
        0,
        65535,
        items=int,
    ),
    ParameterRow(
        'detection_fit',
        'stretch',
        'How the detector makes its input of an image. stretch: each side by itself. letterbox: both by the same '
        'factor, with bars on both sides; letterbox_top_left: with a bar to the right or below.',
        choices=tuple(FITS),
    ),
    ParameterRow(
        'detection_classes',
        (),
        'Classes of which objects are started, by name or number. Empty: all.',
        items=str,
    ),
    ParameterRow(
        'detection_start_score', 0.6, 'Boxes that are less sure than this start no object.', 'score', 0.0, 1.0
    ),
    ParameterRow(
        'detection_support_score', 0.3, 'Boxes that are less sure than this do not count at all.', 'score', 0.0, 1.0
    ),
    ParameterRow(
        'detection_confirm',
        3,
        'In so many messages in a row something new has to be seen before it becomes an object.',
        'messages',
        1,
        1000,
    ),
    ParameterRow(
        'detection_match_overlap',
        0.5,
        'A box is of an object if it overlaps this much with the box of its mask, or if most of the mask is within it.',
        'intersection over union',
        0.1,
        1.0,
    ),
    ParameterRow(
        'detection_correct_overlap',
        0.0,
        'An object that detections have started is prompted anew with the box of the detector if that overlaps less '
        'than this with the box of its mask, detection_correct_after times in a row. 0: never.',
        'intersection over union',
        0.0,
        1.0,
    ),
    ParameterRow(
        'detection_correct_after', 5, 'How often in a row, for detection_correct_overlap.', 'messages', 1, 1000
    ),
    ParameterRow(
        'detection_reappear_wait',
        1.0,
        'Something new near the place of a hidden object of its class waits this long before it starts an object: the '
        'hidden one usually finds it first.',
        's',
        0.0,
        60.0,
    ),
    ParameterRow(
        'detection_remove_after',
        0.0,
        'An object that detections have started is removed if no box was of it for this long, while others of its '
        'class were seen. 0: never.',
        's',
        0.0,
        86400.0,
    ),
    # Outputs.
    ParameterRow(
        'label_encoding',
        'mono8',
        'Encoding of the label mask: mono8 holds 255 objects, mono16 65535.',
        choices=('mono8', 'mono16'),
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'label_mask_of',
        'object',
        'What the pixels of the label mask stand for. object: each has a label of its own. class: all of a class have '
        'one number; the highest, 255 or 65535, means that no class is known.',
        choices=('object', 'class'),
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'class_names',
        (),
        'Names of the classes. In the label mask the first has the number 1. To a detector that sends numbers the '
        'first is 0. Empty: in the label mask in the order in which they come; to a detector what it says itself.',
        change=Change.UNCONFIGURED,
        items=str,
    ),
    ParameterRow(
        'mask_object',
        '',
        'Object of which ~/mask holds the full-size mask. Empty: the only object. While there are several, or none of '
        'that name, the mask is empty.',
    ),
    ParameterRow(
        'overlay_effect',
        MASKS,
        'What ~/overlay shows of the objects. masks: their masks and names. pixelate, blur and fill hide them, and for '
        f'{HELD_FRAMES} images after they were last seen the place where they were; what the tracker does not follow '
        'is not hidden. Nothing is written over the image then.',
        choices=(MASKS, *EFFECTS),
    ),
    ParameterRow(
        'overlay_effect_objects',
        (),
        'Objects that overlay_effect is for, by id or by class. Empty: all.',
        items=str,
    ),
)

TITLE = 'Parameters of the tracker node, all at their defaults.'


if __name__ == '__main__':
    print(yaml_text(TRACKER_PARAMETERS, title=TITLE), end='')
