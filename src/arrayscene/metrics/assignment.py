"""Sets of directions against sets of directions: who belongs to whom, and how far the sets are apart."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.errors import ShapeError
from arrayscene.metrics.localization import angular_error

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]


class Accuracy(NamedTuple):
    """Found directions against true ones.

    Attributes:
        within_5_deg, within_10_deg: share of the true sources that were found so exactly, 0 to 1; nan without true sources.
        missed_rate: share of the true sources that nothing within the gate was paired with; nan without true sources.
        false_rate: share of the estimates that belong to no true source; 0 without estimates.
        n_missed, n_false: how many.
        errors: (pair,) radians of the pairs within the gate.
        estimate_index, true_index: (pair,) which estimate was paired with which true source, ascending in `true_index`.
    """

    within_5_deg: float
    within_10_deg: float
    missed_rate: float
    false_rate: float
    n_missed: int
    n_false: int
    errors: FloatArray
    estimate_index: IndexArray
    true_index: IndexArray


class GOSPA(NamedTuple):
    """Generalised optimal sub-pattern assignment: value^p = localization^p + missed^p + false^p.

    Attributes:
        value: the metric, in the unit of the distances.
        localization, missed, false: its parts, in the same unit.
        n_missed, n_false: true and estimated members without a partner.
    """

    value: float
    localization: float
    missed: float
    false: float
    n_missed: int
    n_false: int


def angular_distances(
    azimuth: ArrayLike,
    elevation: ArrayLike | None,
    true_azimuth: ArrayLike,
    true_elevation: ArrayLike | None,
) -> FloatArray:
    """Angle between every estimated and every true direction.

    Args:
        azimuth: (estimate,) radians.
        elevation: (estimate,) radians; None in either place compares azimuths alone, for arrays that lie level.
        true_azimuth: (truth,) radians.
        true_elevation: (truth,) radians, or None.

    Returns:
        (estimate, truth) radians in [0, pi].
    """
    level = elevation is None or true_elevation is None
    found, true = np.atleast_1d(np.asarray(azimuth, np.float64)), np.atleast_1d(np.asarray(true_azimuth, np.float64))
    up = np.zeros_like(found) if level else np.asarray(elevation, np.float64)
    true_up = np.zeros_like(true) if level else np.asarray(true_elevation, np.float64)
    return angular_error(found[:, None], np.reshape(up, (-1, 1)), true[None], np.reshape(true_up, (1, -1)))


def localization_accuracy(distances: ArrayLike, *, gate: float = math.radians(20.0)) -> Accuracy:
    """Share of the true sources within 5 and 10 degrees, and what was missed and made up.

    Estimates and true sources are paired one to one so that as many pairs as possible lie within the gate, and among these
    pairings so that the sum of errors is smallest.

    Target: the true direction from the array's origin to each source.

    Args:
        distances: (estimate, truth) radians, as `angular_distances` gives.
        gate: radians; a pair farther apart is a missed and a false source.

    Raises: ShapeError for anything but a table of finite distances of 0 or more.

    Cost: O(n^3) for n sources.
    """
    table = _table(distances)
    rows, columns = pair_within(table, gate)
    errors = table[rows, columns]
    n_estimates, n_true = table.shape
    n_missed, n_false = n_true - len(rows), n_estimates - len(rows)

    def share(count: int, of: int, otherwise: float) -> float:
        return count / of if of else otherwise

    return Accuracy(
        within_5_deg=share(int((errors <= math.radians(5.0)).sum()), n_true, math.nan),
        within_10_deg=share(int((errors <= math.radians(10.0)).sum()), n_true, math.nan),
        missed_rate=share(n_missed, n_true, math.nan),
        false_rate=share(n_false, n_estimates, 0.0),
        n_missed=n_missed,
        n_false=n_false,
        errors=errors,
        estimate_index=rows,
        true_index=columns,
    )


def gospa(distances: ArrayLike, *, cutoff: float = math.radians(30.0), order: float = 2.0) -> GOSPA:
    """Generalised optimal sub-pattern assignment metric (alpha = 2) between two sets.

    GOSPA^p = min over pairings g of  sum_(i,j in g) d(x_i, y_j)^p + c^p / 2 (|X| + |Y| - 2 |g|)

    A metric between finite sets wherever d is one; each missed and each false member costs the same c^p / 2, whatever the
    others do.

    Args:
        distances: (estimate, truth), as `angular_distances` gives; any metric and unit.
        cutoff: c, in that unit; pairs farther apart count as one missed and one false member.
        order: p, 1 or more; larger ones punish outliers harder.

    Raises: ShapeError as `localization_accuracy`, or for a cutoff or an order out of range.

    Cost: O(n^3).

    Reference: A. S. Rahmathullah, A. F. Garcia-Fernandez, L. Svensson, "Generalized optimal sub-pattern assignment metric",
        FUSION 2017, proposition 1.
    """
    table = _table(distances)
    _check(cutoff, order, "gospa")
    power = np.minimum(table, cutoff) ** order
    rows, columns = _assign(power)
    real = table[rows, columns] < cutoff
    near = float(power[rows[real], columns[real]].sum())
    n_missed, n_false = table.shape[1] - int(real.sum()), table.shape[0] - int(real.sum())
    half = cutoff**order / 2
    parts = (near, half * n_missed, half * n_false)
    localization, missed, false = (part ** (1 / order) for part in parts)
    return GOSPA(sum(parts) ** (1 / order), localization, missed, false, n_missed, n_false)


def ospa(distances: ArrayLike, *, cutoff: float = math.radians(30.0), order: float = 2.0) -> float:
    """Optimal sub-pattern assignment metric between two sets, an average a member.

    OSPA^p = (min over pairings of  sum min(d, c)^p + c^p | |X| - |Y| | ) / max(|X|, |Y|), and 0 for two empty sets.

    Args:
        distances: as in `gospa`.
        cutoff: as in `gospa`; also the largest value that comes out.
        order: as in `gospa`.

    Raises: as `gospa`.

    Cost: O(n^3).

    Reference: D. Schuhmacher, B.-T. Vo, B.-N. Vo, "A consistent metric for performance evaluation of multi-object filters",
        IEEE Trans. Signal Processing 56(8), 2008, eq. (3).
    """
    table = _table(distances)
    _check(cutoff, order, "ospa")
    if not max(table.shape):
        return 0.0
    power = np.minimum(table, cutoff) ** order
    rows, columns = _assign(power)
    total = power[rows, columns].sum() + cutoff**order * abs(table.shape[0] - table.shape[1])
    return float((total / max(table.shape)) ** (1 / order))


def pair_within(distances: FloatArray, gate: float) -> tuple[IndexArray, IndexArray]:
    """Rows and columns, ascending in columns, of the most pairs within the gate, and of those pairings the closest one."""
    # One more pair within the gate outweighs whatever the others could gain.
    cost = np.where(distances <= gate, distances, (min(distances.shape, default=0) + 1) * (gate + 1e-12))
    rows, columns = _assign(cost)
    kept = distances[rows, columns] <= gate
    rows, columns = rows[kept], columns[kept]
    order = np.argsort(columns)
    return rows[order], columns[order]


def _assign(cost: FloatArray) -> tuple[IndexArray, IndexArray]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost)
    return rows, columns


def _table(distances: ArrayLike) -> FloatArray:
    table = np.asarray(distances, np.float64)
    if table.ndim != 2 or not np.isfinite(table).all() or (table < 0).any():
        raise ShapeError(f"distances of shape {table.shape} came; (estimate, truth), finite and 0 or more, are needed")
    return table


def _check(cutoff: float, order: float, who: str) -> None:
    if not (cutoff > 0 and math.isfinite(cutoff)) or not (order >= 1 and math.isfinite(order)):
        raise ShapeError(f"{who}: cutoff {cutoff} and order {order} came; a positive cutoff and an order of 1 or more are needed")
