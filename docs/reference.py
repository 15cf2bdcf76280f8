"""The pages of docs/reference/, made from the tables in the code: `python docs/reference.py` writes them.

A test compares the pages with what this script makes, so that a changed table cannot leave them behind.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from rosidl_adapter.parser import MessageSpecification, parse_message_string, parse_service_string

from sam2_ros.nodes.edge.decode_images import LAYOUTS, PLANES
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.parameters import ParameterRow
from sam2_ros.nodes.objects_3d import diagnostics as diagnostics_3d
from sam2_ros.nodes.objects_3d import inputs as inputs_3d
from sam2_ros.nodes.objects_3d.outputs import OUTPUTS as OUTPUTS_3D
from sam2_ros.nodes.objects_3d.parameters import OBJECTS_3D_PARAMETERS
from sam2_ros.nodes.operator_page import diagnostics as diagnostics_page
from sam2_ros.nodes.operator_page.parameters import OPERATOR_PAGE_PARAMETERS
from sam2_ros.nodes.operator_page.recording import RECORDED
from sam2_ros.nodes.recorder.parameters import RECORDER_PARAMETERS
from sam2_ros.nodes.tracker.detection_input import DETECTIONS
from sam2_ros.nodes.tracker.diagnostics import DIAGNOSTICS
from sam2_ros.nodes.tracker.image_source import IMAGES
from sam2_ros.nodes.tracker.outputs import OUTPUTS
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS
from sam2_ros.nodes.tracker.prompt_inputs import INPUTS, SERVICES
from sam2_ros.nodes.tracker.space_clicks import CAMERA_INFO
from sam2_ros.nodes.trackers.node import CLICKS
from sam2_ros.nodes.trackers.parameters import PROCESS_PARAMETERS, camera_parameters
from sam2_ros.nodes.video_player.parameters import PLAYER_PARAMETERS

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / 'docs/reference'
MADE = '<!-- Made by `python docs/reference.py`. Change the table in the code, then run it again. -->'


# Node -> its parameters, the file they stand in, and the file in config/ that repeats them.
PARAMETERS: dict[str, tuple[Sequence[ParameterRow], str, str]] = {
    'tracker': (TRACKER_PARAMETERS, 'sam2_ros/nodes/tracker/parameters.py', 'config/tracker.yaml'),
    'trackers': (
        (*PROCESS_PARAMETERS, *camera_parameters('<camera>', first=True)),
        'sam2_ros/nodes/trackers/parameters.py',
        'config/cameras.yaml',
    ),
    'video_player': (PLAYER_PARAMETERS, 'sam2_ros/nodes/video_player/parameters.py', 'config/video_player.yaml'),
    'recorder': (RECORDER_PARAMETERS, 'sam2_ros/nodes/recorder/parameters.py', ''),
    'objects_3d': (OBJECTS_3D_PARAMETERS, 'sam2_ros/nodes/objects_3d/parameters.py', 'config/objects_3d.yaml'),
    'operator_page': (
        OPERATOR_PAGE_PARAMETERS,
        'sam2_ros/nodes/operator_page/parameters.py',
        'config/operator_page.yaml',
    ),
}

# Command lines, and what their help does not say.
COMMANDS = {
    'sam2_ros.tools.track_video': 'Ctrl-C and SIGTERM end it with whole files. It refuses to write over what it reads. '
    'When the disk is full, it says which files are whole. Images of a folder are read as stored, without turning them '
    'by EXIF. `pip install .` also installs it as `sam2-track-video`.',
    'sam2_ros.tools.track_bag': 'Reads sqlite3 and mcap. When it is stopped or fails, OUT is a whole bag of what was '
    'tracked until then, unless it says that it is not (a full disk, a second signal). Needs `pip install rosbags`.',
    'sam2_ros.tools.segment_image': '[What is in the files](../tutorials/segment_everything.md).',
    'sam2_ros.tools.label': 'After Ctrl-C, SIGTERM or a crash the same command goes on where it was; at most one batch '
    'of objects is tracked again. [What corrections look like](../tutorials/label_videos.md).',
    'sam2_ros.tools.dataset_stats': '[What the formats hold, and what is counted](../tutorials/masklet_files.md).',
    'sam2_ros.tools.effects': '[What the effects do, and when erasing fails](../tutorials/effects.md).',
    'sam2_ros.tools.demo': '`make demo` runs it. It needs the built ROS package.',
    'sam2_ros.tools.download_weights': 'The file is checked against its SHA-256. Also as `sam2-download-weights`.',
    'sam2_ros.tools.bench': '`--official` needs the official package: `pip install .[dev]`. Also as `sam2-bench`.',
    'sam2_ros.training.train': 'Needs `pip install .[train]`. Also as `sam2-train`. The model card says '
    '[how far an hour goes](../../sam2_ros/weights/README.md#recipe-and-how-these-weights-differ-from-it).',
    'sam2_ros.training.cutouts': 'OUT gets sprites/, backgrounds/ and MANIFEST.csv. The same files and options give '
    'the same pictures. Ctrl-C and SIGTERM end it with whole files. Images are read as stored, without turning them by '
    'EXIF. [What is in the folder](../tutorials/train_a_small_model.md#train-on-real-objects).',
    'sam2_ros.evaluation.__main__': 'The tables of papers as one command. '
    '[Data sets, protocols, and what is on the page](../tutorials/evaluation.md). Ctrl-C ends it; the same command '
    'goes on where it was. The exit status is 1 if a video could not be done.',
    'sam2_ros.evaluation.vot': 'A tracker for the toolkit of the VOT challenges; '
    '[how the toolkit finds it](../tutorials/evaluation.md#with-the-toolkit-of-the-vot-challenges).',
    'sam2_ros.evaluation.distill': 'Which videos have look-alikes of the target. '
    '[What is measured, and what it writes](../tutorials/evaluation.md#videos-with-look-alikes). Ctrl-C ends it; the '
    'same command goes on where it was. The exit status is 1 if a video could not be measured.',
    'sam2_ros.evaluation.synthetic': 'Accuracy on held-out synthetic clips. Needs `pip install .[train]`.',
    'sam2_ros.evaluation.real': 'Accuracy on filmed clips of your own or of a public data set: a JPEG and a label '
    'image, a PNG with 0 for the background, for every frame. The page names the clips, but not where their folder is.',
    'sam2_ros.evaluation.input_size': "Accuracy by the size of the network's input, on clips of either kind; on "
    'synthetic ones also the time.',
    'sam2_ros.evaluation.corrections': 'What correction clicks change, on clips of either kind.',
    'sam2_ros.evaluation.footage': 'For how long objects are followed that move before a still camera. Needs no '
    'labels.',
}


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |' for line in lines)


def _endpoint_table(rows: Sequence[Endpoint]) -> str:
    """Topics or services; the names of our own types lead to their descriptions."""
    lines = []
    for row in rows:
        package, _, short = row.type_name.partition('/')
        kind = f'[{row.type_name}](messages.md#{short.lower()})' if package == 'sam2_ros' else row.type_name
        lines.append((f'`{row.name}`', kind, row.description))
    return _table(('name', 'type', 'what'), lines)


def topics() -> str:
    return f"""# Topics and services
{MADE}

`~` stands for the name of the node, `/tracker` unless it is changed. `<image>` and `<detections>` stand for the names
of these topics after remapping. [Messages](messages.md) says what each field means.

## The node tracker

### What it listens to

{_endpoint_table((*IMAGES, CAMERA_INFO, *INPUTS, *DETECTIONS))}

A tracker in a namespace has a `clicked_point` of its own (`/front/clicked_point`). Two trackers without a namespace
share it unless one is remapped. The process `trackers` hands clicks on [to one of its cameras](#the-process-trackers).

### What it publishes

{_endpoint_table((*OUTPUTS, DIAGNOSTICS))}

Every output carries the header of the image it describes.

### Its services

{_endpoint_table(SERVICES)}

{_other_nodes()}

## Images that are understood

- Pixels: {', '.join(LAYOUTS)}.
- Planes: {', '.join(PLANES)}. Here `step` is the length of a luma row and `height` the number of luma rows.
- Compressed: JPEG, PNG, WebP and TIFF, also of a Bayer mosaic. The EXIF orientation of a JPEG is ignored, so that masks
  fit the camera_info.

What cannot be read is dropped, counted as `invalid` and named once in the log: other encodings, packets of video, and
images of more than `max_image_pixels`.

Images of 16 bits, such as thermal ones, are spread over the 8 bits that the network sees. Black and white are the 1st
and 99th percentile; they follow the images slowly, so that nothing flickers. `intensity_low` and `intensity_span` fix
them instead.

## Quality of service

Outputs are reliable, with a queue of 10. The image subscription follows what the camera offers. History, depth and
reliability of every topic can be overridden in a parameter file, by the full name of the topic:

```yaml
/**:
  ros__parameters:
    qos_overrides:
      /tracker/overlay: {{publisher: {{reliability: best_effort, depth: 1}}}}
      /camera/image_raw: {{subscription: {{reliability: best_effort}}}}
```
"""


def _other_nodes() -> str:
    """All nodes but the tracker."""
    return f"""## The node objects_3d

Here `~` stands for `/objects_3d`. [Objects in 3D](../tutorials/objects_3d.md) says how to use it.

### What it listens to

{_endpoint_table(inputs_3d.INPUTS)}

It also listens to tf, where tf2_ros is installed; otherwise all frames have to be equal.

### What it publishes

{_endpoint_table((*OUTPUTS_3D, diagnostics_3d.DIAGNOSTICS))}

`~/objects`, `~/detections` and `~/markers` carry the stamp of the image and target_frame, the depth images the header
of the depth they are made of. With the parameter `publish_tf` each object is also sent to tf as `object_<id>`.

## The process trackers

Several cameras on one network. Each has a node `tracker` in the namespace of its name, with all of the above:
`/front/tracker/objects`. The node `trackers` holds the network, listens to one topic and adds one status to
`/diagnostics`: who had how much of the time, and what memory is used.

{_endpoint_table((CLICKS,))}

## The node operator_page

It finds all trackers by the type of their outputs: `~/objects` of each, and the images that the tracker listens to.
Images are fetched while somebody looks. It calls `~/set_prompt`, `~/remove_object` and `~/reset` of the tracker, and
asks it once for `ring_images` and `ring_megabytes`. [The operator's page](../tutorials/operator_page.md) says how to
use it.

{_endpoint_table((diagnostics_page.DIAGNOSTICS,))}

In recordings, not in the graph:

{_endpoint_table(RECORDED)}

## The node video_player

It publishes `image` (sensor_msgs/Image), `camera_info` beside it (sensor_msgs/CameraInfo) and, with the parameter
`compressed`, `<image>/compressed` (sensor_msgs/CompressedImage). The source `bodies` also has depth:
`depth/image_rect` (sensor_msgs/Image, 32FC1) and `depth/camera_info`.

## The node recorder

It listens to `image`, `tracker/objects` and `tracker/overlay`, and calls `tracker/set_prompt`. `make demo` uses it."""


def _parameter_rows(rows: Sequence[ParameterRow]) -> list[tuple[str, ...]]:
    return [
        (
            f'`{row.name}`',
            f'`{row.default!r}`' if isinstance(row.default, str) else f'`{row.default_text}`',
            row.accepted,
            row.change.value,
            row.description,
        )
        for row in rows
    ]


def parameters() -> str:
    parts = [
        f'# Parameters\n{MADE}\n',
        'Each node keeps its parameters in a table, from which this page is made. A value that is not accepted is '
        'refused with a\nsentence that says what is.\n',
    ]
    for node, (rows, source, file) in PARAMETERS.items():
        where = f'Table: `{source}`.' + (f' As a parameter file with all defaults: `{file}`.' if file else '')
        table = _table(('name', 'default', 'accepted', 'when', 'what it does'), _parameter_rows(rows))
        parts.append(f'## {node}\n\n{where}\n\n{table}\n')
    parts.append('Quality of service can be set for every topic: [qos_overrides](topics.md#quality-of-service).\n')
    return '\n'.join(parts)


def _comment(element: Any) -> str:
    return ' '.join(element.annotations.get('comment', [])).strip()


def _fields(message: MessageSpecification) -> Iterator[str]:
    if message.constants:
        constants = [(f'`{c.name}`', f'`{c.type}`', str(c.value), _comment(c)) for c in message.constants]
        yield _table(('constant', 'type', 'value', 'what'), constants)
    yield _table(('field', 'type', 'what'), [(f'`{f.name}`', f'`{f.type}`', _comment(f)) for f in message.fields])


def messages() -> str:
    parts = [f'# Messages and services\n{MADE}']
    for file in sorted((REPOSITORY / 'msg').glob('*.msg')):
        message = parse_message_string('sam2_ros', file.stem, file.read_text(encoding='utf-8'))
        parts += [f'## {file.stem}', f'`{file.relative_to(REPOSITORY)}`: {_comment(message)}', *_fields(message)]
    for file in sorted((REPOSITORY / 'srv').glob('*.srv')):
        service = parse_service_string('sam2_ros', file.stem, file.read_text(encoding='utf-8'))
        parts += [
            f'## {file.stem}',
            f'`{file.relative_to(REPOSITORY)}`: {_comment(service.request)}',
            *('The request:', *_fields(service.request), 'The answer:', *_fields(service.response)),
        ]
    return '\n\n'.join(parts) + '\n'


class _Caught(Exception):
    """Holds the parser that a command line was about to use."""


def parser_of(module: str) -> argparse.ArgumentParser:
    """The parser of a command line, as it would be on a machine with 8 cores."""

    def catch(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _Caught(parser)

    main: Callable[[Sequence[str]], object] = import_module(module).main
    with (
        mock.patch.object(argparse.ArgumentParser, 'parse_args', catch),
        mock.patch('os.cpu_count', return_value=8),
        mock.patch('torch.get_num_threads', return_value=8),
    ):
        try:
            main([])
        except _Caught as caught:
            return caught.args[0]
    raise ValueError(f'{module} parses no arguments')


def _help(action: argparse.Action) -> str:
    """What an argument does, without folders of this machine."""
    text = (action.help or '') % {**vars(action), 'prog': ''}
    return re.sub(r'/\S*/(?=config/)', '', text)


def _argument(action: argparse.Action) -> tuple[str, str]:
    metavar = action.metavar or ('{' + ','.join(map(str, action.choices)) + '}' if action.choices else '')
    if not action.option_strings:
        return f'`{metavar or action.dest}`', _help(action)
    value = metavar or action.dest.upper()
    takes = '' if action.nargs == 0 else f' {value}' + (' ...' if action.nargs == '+' else '')
    return f'`{action.option_strings[-1]}{takes}`', _help(action)


def _group_description(title: str) -> str:
    parser = parser_of('sam2_ros.tools.track_video')
    return next(group.description or '' for group in parser._action_groups if group.title == title)


def command_lines() -> str:
    parts = [
        f'# Command lines\n{MADE}',
        'Each says the same with `--help`. Where a default depends on the machine, this page is that of one with '
        '8 cores.',
        '`--box`, `--point`, `--mask` and `--name` may be repeated. ' + _group_description('what to track'),
    ]
    for module, note in COMMANDS.items():
        parser = parser_of(module)
        arguments = [_argument(action) for action in parser._actions if action.dest != 'help']
        command = module.removesuffix('.__main__')
        parts += [
            f'## {command.rpartition(".")[2]}',
            f'`python -m {command}`: {(parser.description or "").strip()}',
            note,
            _table(('argument', 'what'), arguments),
        ]
    return '\n\n'.join(parts) + '\n'


MAKERS = {'topics': topics, 'parameters': parameters, 'messages': messages, 'command_lines': command_lines}


if __name__ == '__main__':
    for page, make in MAKERS.items():
        (FOLDER / f'{page}.md').write_text(make(), encoding='utf-8')
