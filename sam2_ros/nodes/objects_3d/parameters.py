"""The parameters of the node objects_3d. Run as a module, it prints config/objects_3d.yaml."""

from sam2_ros.nodes.edge.decode_images import MAX_PIXELS
from sam2_ros.nodes.edge.parameters import AUTOSTART, Change, ParameterRow, yaml_text
from sam2_ros.spatial.boxes import KINDS

OBJECTS_3D_PARAMETERS = (
    AUTOSTART,
    ParameterRow(
        'source',
        'depth',
        'Where depth comes from: the image depth/image_rect, its compressedDepth, or the cloud points.',
        choices=('depth', 'compressed_depth', 'points'),
        change=Change.UNCONFIGURED,
    ),
    ParameterRow('rectified', False, 'The tracker gets rectified images: P of camera_info counts, not K and D.'),
    ParameterRow(
        'target_frame',
        '',
        'Frame of the outputs, with z up for upright boxes. Empty: the frame of the camera, in which up is -y.',
    ),
    ParameterRow(
        'tracking_frame',
        '',
        'Frame that stands still, such as odom: velocities are against it. Empty: target_frame.',
    ),
    ParameterRow('depth_unit', 0.001, 'Metres per step of 16UC1 depth. 32FC1 is in metres.', 'm', 1e-6, 1.0),
    ParameterRow('min_range', 0.1, 'Nearer depth is not used.', 'm', 0.0, 1000.0),
    ParameterRow('max_range', 10.0, 'Further depth is not used.', 'm', 0.01, 10000.0),
    ParameterRow(
        'erosion', 2.0, 'Rim of a mask that does not say how far away the object is.', 'pixels of the depth', 0.0, 50.0
    ),
    ParameterRow('min_points', 20, 'An object with fewer depth points is not measured.', 'points', 1, 10**6),
    ParameterRow(
        'gap',
        0.05,
        'A hole in depth that parts an object from its background; 0.02 m more per metre of distance.',
        'm',
        0.001,
        10.0,
    ),
    ParameterRow(
        'box',
        'upright',
        'Boxes: standing on the ground, along the axes of the frame, or along the points.',
        choices=KINDS,
    ),
    ParameterRow(
        'max_time_difference', 0.03, 'Depth whose stamp is further from that of the image is not used.', 's', 0.0, 10.0
    ),
    ParameterRow('depth_images', 60, 'Newest depth images kept, for results that come late.', 'images', 1, 10000),
    ParameterRow('depth_megabytes', 200.0, 'Memory for them.', 'MB', 1.0, 100000.0),
    ParameterRow('tf_timeout', 0.1, 'How long to wait for a transform that is not known yet.', 's', 0.0, 10.0),
    ParameterRow(
        'process_noise',
        0.2,
        'How strongly objects may speed up or turn, as a mean over a second.',
        'm/s2',
        0.001,
        100.0,
    ),
    ParameterRow('keep_hidden', 5.0, 'Objects hidden for longer are no longer predicted.', 's', 0.0, 3600.0),
    ParameterRow('publish_tf', False, 'Also send the objects as frames object_<id> to tf.', change=Change.UNCONFIGURED),
    ParameterRow('input_timeout', 2.0, 'Diagnostics report an input that brings nothing for longer.', 's', 0.1, 3600.0),
    ParameterRow('max_image_pixels', MAX_PIXELS, 'Larger depth images are refused.', 'pixels', 1, 10**9),
)
TITLE = 'Parameters of the objects_3d node, all at their defaults.'


if __name__ == '__main__':
    print(yaml_text(OBJECTS_3D_PARAMETERS, title=TITLE), end='')
