"""The engine behind a live camera: newest image first, prompts find their image, one thread owns the network.

Needs no ROS: images and answers are whatever objects the caller passes through.
"""
