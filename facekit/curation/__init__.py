"""Photos to a checked set of photos, with a reason for each one that is left out."""
