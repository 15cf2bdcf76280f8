"""CPU time of objects in space, per depth image with three objects: python -m benchmarks.objects_3d

Prints the table of benchmarks/objects_3d.md. CPU time of this process, so that other programs on the machine hardly
matter; the median of REPEATS images. Messages in, messages out: what one depth image costs the node, without transport.
"""

from __future__ import annotations

import platform
import time
from types import SimpleNamespace

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sam2_ros.msg import TrackedObject, TrackedObjectArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.nodes.edge.depth_messages import depth_image
from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.objects_3d.lifting import Lifting
from sam2_ros.nodes.objects_3d.markers import Markers
from sam2_ros.nodes.objects_3d.outputs import depth_of_objects, depth_without_objects, objects_message
from sam2_ros.nodes.objects_3d.parameters import OBJECTS_3D_PARAMETERS
from sam2_ros.spatial.camera import Camera
from sam2_ros.spatial.distortion import Distortion
from sam2_ros.synthetic.depth_demo import CAMERA, DepthDemoScene
from sam2_ros.synthetic.depth_scene import DepthScene, View, pinhole_rays, quantised

REPEATS = 60
DEPTH_SIZE, DEPTH_FOCAL = (480, 640), 525.0
LENS = Distortion(np.array([-0.28, 0.07, 0.0004, -0.0002, 0.0]), fisheye=False)
BESIDE = np.eye(4)
BESIDE[0, 3] = 0.05  # metres


def _camera(height: int, width: int, focal: float, lens: Distortion | None = None) -> Camera:
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Camera(height, width, matrix, lens)


def _view(camera: Camera, focal: float) -> View:
    rays = pinhole_rays(camera.height, camera.width, focal=focal)
    return DepthScene(DepthDemoScene.bodies(45)).look(rays, CAMERA, paint=False)


def _objects(view: View, header: Header) -> TrackedObjectArray:
    height, width = view.numbers.shape
    message = TrackedObjectArray(header=header, image_height=height, image_width=width)
    for number, name in enumerate(DepthDemoScene.names, 1):
        x, y, w, h = cv2.boundingRect((view.numbers == number).astype(np.uint8))
        crop = (view.numbers[y : y + h, x : x + w] == number).astype(np.uint8) * 255
        tracked = TrackedObject(object_id=name, label=number, state=TrackedObject.VISIBLE, has_box=True)
        tracked.box, tracked.mask = (
            [float(edge) for edge in (x, y, x + w, y + h)],
            array_to_image(crop, 'mono8', header=header),
        )
        message.objects.append(tracked)
    return message


def milliseconds(image: Camera, image_focal: float, *, beside: bool, pictures: bool = False) -> float:
    """Median CPU time of one depth image with three objects.

    Args:
        image: the camera whose images are tracked.
        image_focal: its focal length in pixels.
        beside: the depth camera stands 5 cm beside it.
        pictures: also make the two depth images.
    """
    settings = {row.name: row.default for row in OBJECTS_3D_PARAMETERS}
    depth_camera = _camera(*DEPTH_SIZE, DEPTH_FOCAL)
    calibrations = {
        'image_info': SimpleNamespace(info=None, camera=lambda **_: image),
        'depth_info': SimpleNamespace(camera=lambda **_: depth_camera),
    }
    inputs: object = SimpleNamespace(is_cloud=False, **calibrations)
    lifting = Lifting(
        settings,
        inputs=inputs,  # type: ignore[arg-type]
        lookup=lambda _, target, source: BESIDE if target != source else np.eye(4),
    )
    markers, view, times = Markers(), _view(image, image_focal), []
    pixels = quantised(_view(depth_camera, DEPTH_FOCAL).depth)
    for index in range(REPEATS + 1):
        stamp = Time(sec=100 + index // 10, nanosec=index % 10 * 100_000_000)
        objects = _objects(view, Header(stamp=stamp, frame_id='camera'))
        depth: Image = depth_image(pixels, header=Header(stamp=stamp, frame_id='depth' if beside else 'camera'))
        started = time.process_time()
        lifted = lifting.lift(objects, depth)
        message = objects_message(lifted)
        markers.update(message)
        if pictures:
            depth_of_objects(lifted, message)
            depth_without_objects(lifted, message)
        times.append(time.process_time() - started)
    if not all(found.measured for found in message.objects):
        raise RuntimeError('an object was not measured')
    return 1e3 * float(np.median(times[1:]))


def main() -> None:
    cv2.setNumThreads(1)
    same, large = _camera(*DEPTH_SIZE, DEPTH_FOCAL), _camera(720, 1280, 900.0)
    rows = {
        'on images of 640x480, pixel by pixel': milliseconds(same, DEPTH_FOCAL, beside=False),
        'beside images of 640x480': milliseconds(same, DEPTH_FOCAL, beside=True),
        'beside images of 1280x720': milliseconds(large, 900.0, beside=True),
        'beside images of 1280x720 with distortion': milliseconds(_camera(720, 1280, 900.0, LENS), 900.0, beside=True),
        'on images of 640x480, and both depth images made': milliseconds(
            same, DEPTH_FOCAL, beside=False, pictures=True
        ),
    }
    print(
        f'{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}, NumPy {np.__version__}, '
        f'one thread. Milliseconds of CPU time, median of {REPEATS}.\n'
    )
    print('| depth of 640x480, three objects | ms |\n|---|---|')
    for name, value in rows.items():
        print(f'| {name} | {value:.1f} |')


if __name__ == '__main__':
    main()
