"""The ROS 2 nodes, one folder each, and `edge` for what they share."""
