"""Prompts that are all known beforehand, from a command line or a recording, carried through a whole video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sam2_ros.session.session import VideoSession
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.result import FrameResult


def carry_prompts(
    session: VideoSession,
    prompts: Mapping[int, Sequence[Prompt]],
    *,
    refused: Callable[[int, Prompt, ValueError], None],
) -> Iterator[FrameResult]:
    """Give prompts to a new session and propagate them both ways. Then `session.result` knows all objects everywhere.

    Clicks on a later frame of an object correct it, and there must be a mask to correct. So they are given when all
    other prompts have been propagated, and everything is propagated once more.

    Args:
        session: without objects.
        prompts: by frame.
        refused: told of a prompt that cannot be given: its frame, the prompt, and why. The others are given.

    Yields:
        The results of each frame passed, as they come.
    """

    def give(frame: int, prompt: Prompt) -> None:
        try:
            session.prompt(frame, prompt)
        except ValueError as error:
            refused(frame, prompt, error)

    clicks = []
    for frame in sorted(prompts):
        for prompt in prompts[frame]:
            if prompt.only_refines and prompt.object_id in session.object_ids:
                clicks.append((frame, prompt))
            else:
                give(frame, prompt)
    if session.object_ids:
        yield from session.propagate_both_ways()
    if clicks:
        for frame, prompt in clicks:
            give(frame, prompt)
        yield from session.propagate_both_ways()
