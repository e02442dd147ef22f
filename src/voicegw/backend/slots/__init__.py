"""Continuous batching for models that advance many utterances by one step at a time: plans, tickets, one thread.

A batching adapter writes a :class:`SlotRunner` and hands it to a :class:`SlotScheduler`, whose ``synthesize`` is what
the contract asks for. Nothing here knows a device or a tensor library.
"""

from voicegw.backend.slots.calibrate import calibrate
from voicegw.backend.slots.plan import SlotEvent, SlotLimits, SlotRunner, StepPlan
from voicegw.backend.slots.schedule import Delivery, Outcome, Schedule, Ticket
from voicegw.backend.slots.scheduler import SlotScheduler, SlotStats
from voicegw.backend.slots.timing import STEP_BUCKETS_S, StepTimes, process_times

__all__ = [
    "STEP_BUCKETS_S",
    "Delivery",
    "Outcome",
    "Schedule",
    "SlotEvent",
    "SlotLimits",
    "SlotRunner",
    "SlotScheduler",
    "SlotStats",
    "StepPlan",
    "StepTimes",
    "Ticket",
    "calibrate",
    "process_times",
]
