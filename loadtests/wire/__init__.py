"""Samples as the requests of each protocol, and answers as arrays again."""
