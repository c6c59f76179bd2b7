"""Laws of board power."""

from tokwatt.params.specs.record import spec
from tokwatt.units import (
    Dimensionless,
    Signed,
    Watts,
)


@spec
class LogisticPower:
    """Board power by batch size: a logistic in its binary logarithm.

    Attributes:
        idle: power at the smallest batch sizes [W].
        nominal: power at the largest [W].
        steepness: of the rise, for each doubling.
        log2_midpoint: where half of the rise is done.
    """

    idle: Watts
    nominal: Watts
    steepness: Dimensionless
    log2_midpoint: Signed = 0.0


@spec
class ActivityPower:
    """Board power by the busy share of a step, between two shares of TDP.

    Attributes:
        idle_fraction: share of TDP of a board that waits.
        nominal_fraction: share of TDP of a board that is busy all the time.
    """

    idle_fraction: Dimensionless
    nominal_fraction: Dimensionless


@spec
class UtilizationPower:
    """Board power by the use of bandwidth, of the time for arithmetic and of launches.

    Attributes:
        idle: power of a board that runs and moves nothing.
        memory: what full bandwidth adds.
        compute: what arithmetic all the time adds.
        launch: what launching kernels of experts all the time adds.
        limit: what the board keeps to, as its clocks fall.
        clock_exponent: by whose power of the clock all that is above idle falls.
    """

    idle: Watts
    memory: Watts
    compute: Watts
    launch: Watts = 0.0
    limit: Watts
    clock_exponent: Dimensionless


@spec
class ProjectedPower:
    """The logistic law of boards without a curve of their own.

    Attributes:
        steepness: of the rise, for each doubling.
        log2_midpoint: where half of the rise is done.
    """

    steepness: Dimensionless
    log2_midpoint: Signed
