"""Who says what: Ed25519 keys, signed statements, and whose keys count. Knows nothing of faces."""
