"""Boxes of a detector as prompts: which object each box is of, and when a box starts one; knows nothing of ROS"""
