"""What a tracker is given and asked: first prompts, simulated clicks, corrections."""
