"""Track through a recorded bag: `python -m sam2_ros.tools.track_bag IN OUT --box 258,219,291,308`.

OUT holds the messages of IN, and what the tracker node publishes when it keeps up with every image, under the same
names. Prompts come from the command line, or else from the node's prompt topic in IN; each is applied to the very
image it was made on, as if it had been there in time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import ReaderError, WriterError

from sam2_ros.interruption import noted_interruption
from sam2_ros.live.network import load_network, make_tracker
from sam2_ros.nodes.bag.input import choose_image_topic, opened_input, recorded_prompts
from sam2_ros.nodes.bag.output import OutputBag
from sam2_ros.nodes.bag.storage import STORAGES, BagLostError, make_typestore, opened_bag
from sam2_ros.nodes.bag.track import BagReport, BagTracker, ImageResults, Stopped, StreamedBag, track
from sam2_ros.nodes.bag.whole import BagFrames, WholeBag
from sam2_ros.nodes.edge.image_converter import ImageConverter
from sam2_ros.nodes.tracker.outputs import OUTPUTS, TrackerOutputs
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS
from sam2_ros.tools.network_arguments import add_model_arguments, node_parameters
from sam2_ros.video.prompts import HOW_TO_PROMPT, add_prompt_arguments, check_prompts, prompts_by_frame

OVERLAY = '~/overlay'  # in OUTPUTS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.track_bag',
        description='Track through every image of a rosbag2 (mcap or sqlite3) and add what the tracker node publishes.',
    )
    parser.add_argument('bag', type=Path, metavar='IN', help='folder of a bag, or its .mcap or .db3 file')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the new bag; must not exist')
    parser.add_argument('--image', metavar='TOPIC', help='sensor_msgs/Image or CompressedImage; default: the only one')
    parser.add_argument(
        '--node',
        default='/tracker',
        metavar='NAME',
        help='name of the tracker node, which its topics begin with (default: %(default)s)',
    )
    parser.add_argument('--storage', choices=STORAGES, help='of the new bag (default: as that of IN)')
    parser.add_argument(
        '--overlay',
        action='store_true',
        help='also write the overlay pictures, which are large (always where IN has them)',
    )
    parser.add_argument(
        '--offline',
        action='store_true',
        help='take the bag as a whole: prompts are carried forwards and backwards through all images with the memory '
        'of SAM 2 (--memory is not used), so objects are also known before their first prompt',
    )
    add_prompt_arguments(parser)
    add_model_arguments(parser)
    return parser


def _run(options: argparse.Namespace, report: BagReport) -> None:
    parameters: dict[str, Any] = {row.name: row.default for row in TRACKER_PARAMETERS} | node_parameters(options)
    is_mcap = options.bag.suffix == '.mcap' or any(options.bag.glob('*.mcap*'))
    storage = options.storage or ('mcap' if is_mcap else 'sqlite3')
    with opened_input(options.bag) as reader:
        images = choose_image_topic(reader, options.image, node=options.node, converter=ImageConverter(parameters))
        prompts = prompts_by_frame(options.prompt_parts or ())
        classes: dict[tuple[int, str], str] = {}
        if prompts:
            check_prompts(prompts, size=images.size(reader), frame_count=images.count)
        else:
            prompts = recorded_prompts(
                reader,
                f'{options.node}/prompts',
                images=images,
                tolerance=parameters['stamp_tolerance'],
                complaints=report.complaints,
                classes=classes,
            )
        if not prompts:
            raise ValueError(f'there is no prompt on {options.node}/prompts; {HOW_TO_PROMPT}')
        model = load_network(parameters)
        pictures = {row.name for row in OUTPUTS if row.picture and row.topic_of(options.node) in reader.topics}
        pictures |= {OVERLAY} if options.overlay else set()
        with noted_interruption() as interruption, ExitStack() as closed_in_the_end:
            results: ImageResults
            if options.offline:
                if options.out.exists():  # said before the work, not after it
                    raise ValueError(f'{options.out} exists already; name a new folder')
                options.out.parent.mkdir(parents=True, exist_ok=True)
                whole = WholeBag(model, BagFrames(reader, images), parameters, folder=options.out.parent)
                closed_in_the_end.callback(whole.close)
                whole.propagate(prompts, report, stopped=lambda: interruption.came)
                results = whole
            else:
                results = StreamedBag(make_tracker(model, parameters), prompts, report)
            writer = closed_in_the_end.enter_context(opened_bag(options.out, STORAGES[storage]))
            bag = OutputBag(writer, make_typestore(), options.node, frozenset(pictures))
            outputs = TrackerOutputs(parameters, make_publisher=bag.make_publisher)
            report.begun = True
            track(
                reader,
                bag,
                tracker=BagTracker(results, outputs, prompts, report, classes),
                images=images,
                stopped=lambda: interruption.came,
            )


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    options.node = '/' + options.node.strip('/')
    report = BagReport()
    failure = ''
    whole = True
    try:
        _run(options, report)
    except (ValueError, OSError, ReaderError, WriterError, Stopped) as error:
        failure = str(error)
    except (BagLostError, KeyboardInterrupt) as error:
        failure, whole = str(error) or 'stopped at once', False
    for complaint in report.complaints:
        print(complaint, file=sys.stderr)
    if failure:
        if report.begun:
            failure += (
                f'; {options.out} is a whole bag of the {report.images} images tracked until then'
                if whole
                else f'; {options.out} is not whole'
            )
        print(f'error: {failure}', file=sys.stderr)
        return 1
    print(
        f'{report.images} images tracked with {report.prompts} prompts; the new bag is {options.out}, the objects '
        f'are on {options.node}/objects'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
