"""LoRA as other tools write it: one neutral form, and every spelling of it as data."""
