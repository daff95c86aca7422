"""Loads a running Underway and measures it; nothing here is part of the product."""
