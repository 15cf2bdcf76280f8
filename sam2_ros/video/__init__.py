"""Videos: reading them, writing them, and prompts by frame from a command line."""
