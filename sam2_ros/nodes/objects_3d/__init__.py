"""The node `objects_3d`: masks of a tracker and depth in, objects in space out."""
