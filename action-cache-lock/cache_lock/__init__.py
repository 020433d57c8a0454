"""A local cache store, named locks, single-flight populate and verified models."""
