"""The node `recorder`: prompts a tracker and records what it says."""
