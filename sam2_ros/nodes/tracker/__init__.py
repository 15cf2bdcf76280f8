"""The node `tracker`: images and prompts in, masks, scores and boxes out."""
