"""Adapters: identity injected into a backbone, LoRA, and the file that carries a character."""
