"""Swap under load: one model goes through many versions while all are asked at a steady rate.

`python -m loadtests.swap` measures and reports; the end-to-end test uses the same parts with
smaller numbers.
"""
