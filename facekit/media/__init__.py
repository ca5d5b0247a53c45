"""Files to RGB arrays and back. Nothing else decodes or writes pictures and videos."""
