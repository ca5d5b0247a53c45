"""Training of one character: a single loop for tokens, LoRA or both."""
