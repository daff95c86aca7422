"""Locust users of every protocol, the shapes of their load, and the watch on the generator."""
