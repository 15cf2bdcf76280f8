"""Training of the bundled network: synthetic videos, losses, prompt sampling and one training loop."""
