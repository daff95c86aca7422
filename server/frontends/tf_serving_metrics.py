"""The page of metrics where TensorFlow Serving has it: on the port of REST."""

from __future__ import annotations

from fastapi import FastAPI
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from server.planes import ControlPlane

PATH = "/monitoring/prometheus/metrics"


def add_tf_serving_metrics(app: FastAPI, control: ControlPlane) -> None:
    """Serve the page from `app`, for scrapers that know it by that path."""

    async def page(_request: Request) -> Response:
        text = await control.tf_serving_metrics()
        return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    app.add_route(PATH, page, include_in_schema=False)
