"""Videos that are computed, not filmed: random scenes with their masks, and the drawn scenes of the demo."""
