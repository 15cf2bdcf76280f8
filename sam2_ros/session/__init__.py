"""Whole videos: prompts on any frame in any order, carried both ways, corrected and taken back, in bounded memory."""

from sam2_ros.session.options import SessionOptions
from sam2_ros.session.recorded_prompts import carry_prompts
from sam2_ros.session.session import VideoSession
from sam2_ros.session.spill import SpillError

__all__ = ['SessionOptions', 'SpillError', 'VideoSession', 'carry_prompts']
