"""Figures for Prometheus: counted here, or asked from their owners when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, GCCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Outcome = Literal["stored", "refused", "unreadable", "unavailable", "failed"]


@dataclass(frozen=True, slots=True)
class _Watched:
    name: str
    description: str
    kind: Literal["counter", "gauge"]
    ask: Callable[[], float]


class Metrics(Collector):
    """The figures of one process, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._webhooks = Counter(
            "bridge_webhooks", "Webhooks of vendors, by channel type and outcome.",
            ["channel", "outcome"], registry=self.registry,
        )  # fmt: skip
        self._watched: list[_Watched] = []
        self.registry.register(self)

    def webhooks(self, channel: str, outcome: Outcome) -> Counter:
        """The count of webhooks of a channel type that ended so."""
        return self._webhooks.labels(channel, outcome)

    def watch(
        self, name: str, description: str, kind: Literal["counter", "gauge"], ask: Callable[[], float]
    ) -> None:
        """Show what `ask` says, each time somebody looks: `bridge_lanes_waiting`, `bridge_messages`."""
        self._watched.append(_Watched(name, description, kind, ask))

    def collect(self) -> Iterable[Metric]:
        """The watched figures, as they are now."""
        for one in self._watched:
            family = CounterMetricFamily if one.kind == "counter" else GaugeMetricFamily
            yield family(one.name, one.description, value=one.ask())

    def response(self) -> web.Response:
        """Everything, in Prometheus's text format."""
        return web.Response(
            body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
