"""The process trackers: several cameras on one network, a tracker node for each."""
