"""Stand-ins that tests of all actions share."""
