"""Objects in space: mask and depth in, position, size and velocity out; knows nothing of ROS, needs no torch."""
