"""The recorder's files when something goes wrong."""

import csv
import resource
import subprocess
import sys

import numpy as np
import pytest
from sam2_ros.msg import Object3D, Object3DArray, TrackedObject, TrackedObjectArray
from std_msgs.msg import Header

from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.recorder.places import FILE, PlacesTable
from sam2_ros.nodes.recorder.recording import Recording


def test_rows_are_written_at_once(tmp_path):
    """Not when the recording ends, which it may never do by itself."""
    recording = Recording(tmp_path, frame_rate=10.0)
    for count in range(1, 4):
        cup = TrackedObject(object_id='cup', state=TrackedObject.VISIBLE)
        recording.take_objects(TrackedObjectArray(objects=[cup]), latency=0.1)
        with open(tmp_path / 'objects.csv', newline='') as file:
            assert len(list(csv.DictReader(file))) == count
    recording.close()


def test_a_video_that_is_not_whole_is_an_error_and_the_summary_is_there(tmp_path):
    """A limit on the size of files does what a full disk does."""
    recording = Recording(tmp_path, frame_rate=10.0)
    rng = np.random.default_rng(0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        for _ in range(5):
            picture = array_to_image(rng.integers(0, 256, (96, 128, 3), np.uint8), 'rgb8', header=Header())
            recording.take_overlay(picture)
        with pytest.raises(OSError, match=r'overlay\.mp4 is not whole, its 5 frames cannot be found'):
            recording.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert '| published | 0 |' in (tmp_path / 'summary.md').read_text()


@pytest.mark.slow
@pytest.mark.parametrize('name', ['objects.csv', 'summary.md'])
def test_a_full_disk_ends_the_process_with_a_sentence(tmp_path, name):
    (tmp_path / name).symlink_to('/dev/full')
    words = ['--ros-args', '-p', f'folder:={tmp_path}', '-p', 'timeout:=1.0']
    ended = subprocess.run(
        [sys.executable, '-m', 'sam2_ros.nodes.recorder.node', *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith('error: ') and 'No space left on device' in last and 'Traceback' not in ended.stderr


def test_places_in_space_are_written_at_once(tmp_path):
    table = PlacesTable(tmp_path)
    known, unknown = Object3D(object_id='cup', has_pose=True, measured=True), Object3D(object_id='lost')
    known.pose.pose.position.x, known.twist.twist.linear.y, known.size.z = 1.25, -0.5, 0.1
    known.pose.covariance[[0, 7, 14]] = 0.01, 0.01, 0.02
    table.take(Object3DArray(header=Header(frame_id='odom'), objects=[known, unknown]))
    with open(tmp_path / FILE, newline='') as file:
        (row,) = csv.DictReader(file)
    assert (row['object'], row['frame'], row['measured'], row['x']) == ('cup', 'odom', '1', '1.2500')
    assert (row['vy'], row['size_z'], row['sigma']) == ('-0.5000', '0.1000', '0.2000')
    table.close()
