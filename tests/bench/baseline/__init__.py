"""The source document's approach, written anew with its defects, for `make impact` to measure beside the actions."""
