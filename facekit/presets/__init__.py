"""A character as a bundle of files that a team shares: what is in it, whole, and by whom."""
