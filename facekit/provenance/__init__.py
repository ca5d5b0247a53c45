"""Where a file comes from: content credentials, watermarks, and what is left without them."""
