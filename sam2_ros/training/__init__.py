"""How the bundled network is trained: synthetic videos, losses, prompt sampling and one training loop."""
