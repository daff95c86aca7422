"""What server reflection tells of messages and services, wherever they are registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from protos.tensorflow_pool import POOL as TENSORFLOW

Found = TypeVar("Found")


class Pools:
    """Several pools that are asked in turn, as far as reflection asks; raises KeyError as they
    do."""

    def __init__(self, *pools: DescriptorPool) -> None:
        self._pools = pools

    def FindFileByName(self, name: str) -> FileDescriptor:  # noqa: N802
        """See DescriptorPool, as for all others."""
        return self._first(lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802
        """The file that has a message, service or method."""
        return self._first(lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Descriptor:  # noqa: N802
        """A message by its full name."""
        return self._first(lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Descriptor, number: int) -> FieldDescriptor:  # noqa: N802
        """An extension of a message."""
        return self._first(lambda pool: pool.FindExtensionByNumber(message, number))

    def FindAllExtensions(self, message: Descriptor) -> list[FieldDescriptor]:  # noqa: N802
        """All of them."""
        return self._first(lambda pool: pool.FindAllExtensions(message))

    def _first(self, find: Callable[[DescriptorPool], Found]) -> Found:
        missing: KeyError | None = None
        for pool in self._pools:
            try:
                return find(pool)
            except KeyError as error:
                missing = error
        raise missing or KeyError("no pool to ask")


POOLS = Pools(descriptor_pool.Default(), TENSORFLOW)
"""Everything there is here."""
