"""The tracker with a network that takes ten seconds for an image, as a large one on a slow computer would.

When the process ends, it waits one second for the image in work instead of three.
"""

import time

import torch

from sam2_ros.model import Sam2Network
from sam2_ros.nodes.tracker import node

encode_image = Sam2Network.encode_image


def encode_slowly(network: Sam2Network, images: torch.Tensor) -> object:
    if images[0, 0].std() > 0.01:  # the black images of the warm-up are quick
        time.sleep(10.0)
    return encode_image(network, images)


Sam2Network.encode_image = encode_slowly
node.STOP_TIMEOUT = 1.0

if __name__ == '__main__':
    node.main()
