"""Videos that are made, not filmed: random scenes with their masks, and the drawn scenes of the demo."""
