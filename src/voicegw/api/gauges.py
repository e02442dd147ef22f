"""How things stand at the moment of a scrape: what the gateway itself has under way, and what its workers last said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from voicegw.api.limits import Traffic
from voicegw.backend.slots import STEP_BUCKETS_S
from voicegw.engine.pool import ModelPool

_MODEL: Final = ("model", "backend")
_WORKER: Final = (*_MODEL, "worker")


class Gauges(Collector):
    """Reads the pools and their workers when it is asked.

    Utterances are counted here, not by the workers, whose word is up to a ping old: a queue that is empty shows 0.

    Args:
        pools: By model id.
        traffic: The requests under way.
    """

    def __init__(self, pools: Mapping[str, ModelPool], traffic: Traffic) -> None:
        self._pools = pools
        self._traffic = traffic

    def collect(self) -> Iterator[Metric]:
        """Give all families."""
        yield GaugeMetricFamily("voicegw_live_requests", "Requests under way.", value=self._traffic.live)
        depth = GaugeMetricFamily("voicegw_queue_depth", "Utterances that wait for a slot.", labels=_MODEL)
        used = GaugeMetricFamily("voicegw_slots_used", "Utterances that have a slot.", labels=_MODEL)
        slots = GaugeMetricFamily("voicegw_slots_total", "Slots of the workers that are ready.", labels=_MODEL)
        for pool in self._pools.values():
            labels = (pool.model_id, pool.spec.backend)
            depth.add_metric(labels, pool.waiting)
            used.add_metric(labels, pool.running)
            slots.add_metric(labels, sum(worker.status.slots for worker in pool.workers if worker.serving))
        yield from (depth, used, slots)
        yield from self._workers()

    def _workers(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("voicegw_worker_ready", "1 where the worker can serve.", labels=_WORKER)
        restarts = CounterMetricFamily("voicegw_worker_restarts", "Starts after a failure.", labels=_WORKER)
        steps = HistogramMetricFamily(
            "voicegw_step_seconds", "Steps of a model that batches, of the worker's present life.", labels=_WORKER
        )
        for pool in self._pools.values():
            for worker in pool.workers:
                labels = (pool.model_id, pool.spec.backend, worker.name)
                ready.add_metric(labels, worker.serving is not None)
                restarts.add_metric(labels, worker.restarts)
                counts = worker.status.step_counts
                if len(counts) == len(STEP_BUCKETS_S) + 1:
                    bounds = (*map(str, STEP_BUCKETS_S), "+Inf")
                    buckets = [*zip(bounds, accumulate(counts), strict=True)]
                    steps.add_metric(labels, buckets, sum_value=worker.status.step_total_s)
        yield from (ready, restarts, steps)
