"""Compares ways of serving one model under load: the same questions, the same terms, in turn.

`python -m loadtests.compare SPEC.yaml`, or `underway compare`. docs/comparing.md says what is
measured and how.
"""
