"""Samples what a job does to its host, reports it, and tells when it has become worse."""
