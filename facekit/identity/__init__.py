"""Faces as unit vectors: galleries of one character, similarity, and what a similarity means."""
