"""What may be said of software? What it achieves on a class of machines, before and after measured rows are seen."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dse.catalogue.declarations import Count, Document, Positive, Ratio, Seconds, Share, Table, Words, name_of
from dse.catalogue.fields import Figure, Spec

Efficiency = Annotated[Figure, Spec(high=1, above=True)]
Imbalance = Annotated[Figure, Spec(low=1, high=100)]
MACHINES = ("gpu", "gaudi", "neuron", "tpu", "dataflow", "tensix", "wafer")


class ExecutionTable(Table):
    """What software achieves on a class of machines; see dse.hardware.chip.Execution."""

    matrix_efficiency: Efficiency
    memory_efficiency: Efficiency
    network_efficiency: Efficiency
    usable_memory: Efficiency
    operator_time: Seconds
    step_time: Seconds
    sequence_time: Seconds
    request_time: Seconds
    collective_time: Seconds
    overlap: Share
    expert_imbalance: Imbalance
    grouped_overhead: Ratio


class SoftwareDocument(Document):
    """An execution profile: a family of software on a class of machines, as it is judged without measured rows."""

    title: str = ""
    machine: Annotated[Figure, name_of(choices=MACHINES)]
    execution: ExecutionTable


class FittedTable(Table):
    """The coefficients of a profile that were fitted to measured rows.

    rows: how many; covariance: of the coefficients named by the calibration, on their scales, in that order.
    """

    rows: Count
    matrix_efficiency: Efficiency
    memory_efficiency: Efficiency
    network_efficiency: Efficiency
    operator_time: Seconds
    step_time: Seconds
    sequence_time: Seconds
    request_time: Seconds
    collective_time: Seconds
    grouped_overhead: Ratio
    covariance: list[list[float]]


class CalibrationDocument(Document):
    """What `dse calibrate` found: fitted profiles, and what even the fitted model leaves unexplained.

    coefficients: order of the covariances; burst_share: of the clients of the measured services; scatter: phase ->
    standard deviation of ln(predicted / measured) beside that of the coefficients; prior_scatter: the same around
    profiles that no row speaks of.
    """

    title: str = ""
    coefficients: list[Words]
    rows: Count
    burst_share: Share
    scatter: dict[str, Positive] = Field(default_factory=dict)
    prior_scatter: dict[str, Positive] = Field(default_factory=dict)
    profile: dict[str, FittedTable] = Field(default_factory=dict)
