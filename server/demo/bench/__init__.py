"""Bigger models for measuring: the shapes of ResNet-50 and BERT-base with seeded weights.

They know nothing, but cost what the trained ones cost: every architecture is written once over
`Ops`, and each format is one implementation of that.
"""
