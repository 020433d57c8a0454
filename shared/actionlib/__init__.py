"""The library that all actions share: inputs, outputs, jobs, supervision, locking and state."""
