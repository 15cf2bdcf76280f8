"""Videos of every kind: reading, writing, and prompts by frame in the words of a command line."""
