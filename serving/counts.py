"""Counters for Prometheus, as plain numbers until somebody asks: a request costs two additions and a bisection."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from serving.model import ModelSlot, ServedModel
from serving.shadow import ShadowSlot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Counts:
    """What happened since the start.

    Parameters
    ----------
    in_flight
        Tells how many requests are being answered.
    logged
        Events of the prediction log by outcome; empty without one.
    """

    def __init__(
        self, slot: ModelSlot, in_flight: Callable[[], int], logged: Mapping[str, int], shadows: ShadowSlot
    ) -> None:
        self._slot, self._in_flight, self._logged, self._shadows = slot, in_flight, logged, shadows
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests[route, status] += 1
        buckets = self._seconds.get(route)
        if buckets is None:
            buckets = self._seconds[route] = [0] * (len(_BOUNDS) + 1)
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._sums[route] += seconds  # type: ignore[assignment]

    def note_events(self, good: int, refused: int) -> None:
        """Count events."""
        self.events["answered"] += good
        if refused:
            self.events["refused"] += refused

    def exposition(self) -> bytes:
        """Write all numbers in the text format of Prometheus."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Give the numbers to prometheus-client."""
        requests = CounterMetricFamily("cascada_requests", "Requests by route and status.", labels=("route", "status"))
        for (route, status), count in self._requests.items():
            requests.add_metric((route, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily("cascada_request_seconds", "Time to answer a request.", labels=("route",))
        for route, buckets in self._seconds.items():
            bounds = [*map(str, _BOUNDS), "+Inf"]
            seconds.add_metric((route,), list(zip(bounds, accumulate(buckets), strict=True)), self._sums[route])
        yield seconds
        yield _counter("cascada_events", "Events by outcome.", "outcome", self.events)
        yield _counter("cascada_logged_events", "Events of the prediction log by outcome.", "outcome", self._logged)
        yield from self._of_model()
        yield from self._of_shadow()

    def _of_model(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("cascada_requests_in_flight", "Requests being answered.", self._in_flight())
        swaps = {"swapped": self._slot.swaps.done, "refused": self._slot.swaps.refused}
        yield _counter("cascada_model_swaps", "Packages that were found while running.", "outcome", swaps)
        yield _info("cascada_model_info", "The model that answers.", self._slot.model)

    def _of_shadow(self) -> Iterator[Metric]:
        shadow = self._shadows.shadow
        yield _counter("cascada_shadow_packages", "Packages of shadows.", "outcome", self._shadows.packages)
        if shadow is None:
            return
        yield _info("cascada_shadow_info", "The model that is asked the same.", shadow.model)
        yield _counter("cascada_shadow_events", "Events that the shadow was asked.", "outcome", shadow.events)
        yield _counter("cascada_shadow_primaries", "Whether both name the same primary.", "agree", shadow.primaries)
        yield _counter("cascada_shadow_anomalies", "Events with p <= 0.01.", "by", shadow.anomalies)


def _counter(name: str, told: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, told, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family


def _info(name: str, told: str, model: ServedModel) -> Metric:
    known = model.package.identity
    labels = {"model": known.name, "version": str(known.version), "run_id": known.run_id}
    info = GaugeMetricFamily(name, told, labels=tuple(labels))
    info.add_metric(tuple(labels.values()), 1)
    return info
