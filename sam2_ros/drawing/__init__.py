"""Pictures for people: masks over an image, score curves, charts and film strips. Pure functions on numpy arrays."""
