"""Every gRPC service this server speaks, so that both kinds of frontend have the same."""

from __future__ import annotations

from collections.abc import Sequence

from server.frontends.calls import Servicer
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.servicer import OpenInferenceServicer
from server.frontends.tf_serving.servicer import TfServingServicer
from server.planes import ControlPlane, DataPlane


def all_servicers(
    data: DataPlane, control: ControlPlane, limits: FrontendLimits
) -> Sequence[Servicer]:
    """The servicers that answer from `data` and `control`."""
    return [
        OpenInferenceServicer(data, control, limits),
        TfServingServicer(data, control, limits),
    ]
