"""One adapter per file; every adapter yields the same records."""
