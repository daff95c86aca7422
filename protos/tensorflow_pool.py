"""A descriptor pool of its own for the messages that have TensorFlow's names.

protobuf lets a name be registered once per pool, and TensorFlow registers `tensorflow.TensorProto`
and its kin in the default one. Ours live here, so that a process may import both.
"""

from __future__ import annotations

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()

for _known in (any_pb2, wrappers_pb2):
    POOL.AddSerializedFile(_known.DESCRIPTOR.serialized_pb)
