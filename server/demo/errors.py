"""The one error of the demo builder that a user is meant to read."""

from __future__ import annotations


class DemoError(Exception):
    """The demo repository can't be built; the message says why and what to do about it."""
