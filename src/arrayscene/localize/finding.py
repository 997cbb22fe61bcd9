"""From votes to sources: which of the ways of finding them suits a recording."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.localize.grid import embed, to_angles, to_vectors, with_zenith
from arrayscene.localize.music import MUSIC, NormMUSIC
from arrayscene.localize.narrow_band import beam_power, is_above_voting
from arrayscene.localize.omp import MANY_MICS, OMP, WELL_EXPLAINED
from arrayscene.localize.peaks import Directions, find_peaks, mean_directions, own_votes, vote_shares
from arrayscene.localize.spectrum import Spectrum, map_peaks
from arrayscene.localize.srp_map import SRPMap
from arrayscene.localize.surveyed import Surveyed
from arrayscene.localize.viewpoints import Place, candidate_directions, cross, matched

METHODS = ("auto", "votes", "music", "normmusic", "srp")
SPECTRA: dict[str, type[Spectrum]] = {"music": MUSIC, "normmusic": NormMUSIC, "srp": SRPMap}

PLAIN = 0.05
"""Share of the covariance, in proportion to the dimensions that are left, that K sources leave over where there are K and hardly
any reverberation. In rooms of T60 0.25 s and more, 4 to 6 microphones, it was 0.13 and more."""

OVERHEAD = np.deg2rad(75.0)
"""Elevation from which on a level array cannot tell the azimuth."""

OVERHEAD_ABOVE = 0.01
"""What SRP-PHAT must have more of overhead than elsewhere. One talker 80 degrees up and more in rooms of T60 0.3 and 0.5 s had
0.03 to 0.17 more, one at 70 degrees 0.02 to 0.04 less, two or three talkers around 0.02 to 0.2 less."""

OVERHEAD_BAND_HZ = (500.0, 6000.0)


@dataclass
class Found:
    """Directions, and what else was found about them.

    Attributes:
        directions: strongest first.
        indices: of the nearest point of the first viewpoint's grid.
        power: (direction,) map on that grid.
        method: how they were found.
        places: where the rays of several viewpoints cross; None for an array that is one.
        seen_by: the viewpoint that hears each best, and the point of its grid; None likewise.
    """

    directions: Directions
    indices: list[int]
    power: NDArray[np.float64]
    method: str
    places: list[Place] | None = None
    seen_by: list[tuple[int, int]] | None = None


def find(heard: Surveyed, n_sources: int | None, method: str) -> Found:
    """Where the sources are."""
    if not heard.views and method in ("auto", "votes") and is_above_voting(heard.array, heard.frequencies, heard.spectrum):
        return _narrow_band(heard, n_sources or 1)
    if heard.views:
        return _placed(heard, n_sources)
    votes = heard.survey.by_band
    chosen, support = find_peaks(votes, heard.grid, n_sources, unaliased=heard.srp.unaliased, n_votes=heard.survey.n_votes)
    if method in SPECTRA and chosen:
        spectrum = SPECTRA[method](heard.array, heard.frequencies, grid=heard.grid)
        n = min(len(chosen), heard.array.n_mics - 1)
        power = torch.stack([spectrum.power(y, n) for _, y in heard.blocks()]).mean(0).double().numpy()
        return _judged(heard, _at(heard, map_peaks(power, heard.grid, n), power - power.min(), method))
    if method == "auto" and (better := _pursued(heard, n_sources) or _overhead(heard, n_sources)):
        return better
    found = Directions(*mean_directions(votes.sum(axis=0), heard.grid, chosen), support)
    return Found(found, chosen, votes.sum(axis=0), "votes")


def _judged(heard: Surveyed, found: Found) -> Found:
    """What a map found, with the support that the votes of single moments give it: a map always has a highest peak."""
    share = vote_shares(heard.survey.votes, heard.grid)
    support = share[found.indices] / max(float(share.max()), np.finfo(float).tiny)
    order = np.argsort(-support, kind="stable")
    directions = Directions(found.directions.azimuth[order], found.directions.elevation[order], support[order])
    return replace(found, directions=directions, indices=[found.indices[n] for n in order])


def _narrow_band(heard: Surveyed, n_sources: int) -> Found:
    """Peaks of a beam's power at the loudest bins."""
    total = beam_power(heard.array, heard.grid, heard.frequencies, heard.R, heard.spectrum)
    return _at(heard, map_peaks(total, heard.grid, n_sources), total - total.min(), "narrow-band")


def _pursued(heard: Surveyed, n_sources: int | None) -> Found | None:
    """Directions by pursuit, where they explain the covariance: coherent and steady sources are told apart."""
    n_mics = heard.array.n_mics
    many = n_mics >= MANY_MICS
    n = n_sources if many or n_sources is not None else _plain_count(heard)
    if not many and (n is None or n > n_mics // 2):
        return None
    grid = with_zenith(heard.grid) if heard.level else heard.grid
    # Its elevations tell what comes from above; others of a level array are not reported.
    pursuit = OMP(heard.array, heard.frequencies, grid=grid._replace(elevation_known=True))
    _, y = next(iter(heard.blocks()))
    found = pursuit(y, n)
    n_found = len(found.azimuth)
    if not n_found:
        return None
    left = pursuit.unexplained(y, found)
    if left >= WELL_EXPLAINED if many else left * n_mics / (n_mics - n_found) >= 2 * PLAIN:
        return None
    return _at(heard, _on_half_circle(heard, found), heard.survey.votes, "pursuit")


def _on_half_circle(heard: Surveyed, found: Directions) -> Directions:
    """For a line of microphones, of the cone of each direction the one that its grid holds."""
    if heard.array.ambiguity != "cone":
        return found
    axis = np.linalg.svd(heard.array.positions - heard.array.positions.mean(0))[2][0]
    along = to_vectors(heard.grid.azimuth, heard.grid.elevation) @ axis
    order = np.argsort(along)
    seen = to_vectors(found.azimuth, found.elevation) @ axis
    azimuth, elevation = (np.interp(seen, along[order], np.unwrap(angle[order])) for angle in heard.grid[:2])
    return Directions(np.angle(np.exp(1j * azimuth)), elevation, found.support)


def _overhead(heard: Surveyed, n_sources: int | None) -> Found | None:
    """One source above a level array, where the map of the whole recording is higher there than at any azimuth."""
    if not heard.level or n_sources not in (None, 1):
        return None
    srp = SRPMap(heard.array, heard.frequencies, grid=with_zenith(heard.grid), band=OVERHEAD_BAND_HZ)
    power = torch.stack([srp.power(y) for _, y in heard.blocks()]).mean(0).double().numpy()
    if power[-1] < power[:-1].max() + OVERHEAD_ABOVE:
        return None
    found = Directions(np.zeros(1), np.full(1, np.pi / 2), np.ones(1))
    return _at(heard, found, power[:-1] - power.min(), "overhead")


def _plain_count(heard: Surveyed) -> int | None:
    """How many sources the covariances hold, where that is plain: no reverberation, at most half as many as microphones."""
    left = heard.left_over(list(range(heard.array.n_mics)))
    plain = [n for n in range(1, heard.array.n_mics // 2 + 1) if left[n - 1] < PLAIN]
    return plain[0] if plain else None


def _at(heard: Surveyed, found: Directions, power: NDArray[np.float64], method: str) -> Found:
    """Directions off the grid, with the points of the grid that stand for them."""
    indices = [_index(heard, float(azimuth), float(up)) for azimuth, up in zip(found.azimuth, found.elevation, strict=True)]
    return Found(found, indices, power, method)


def _index(heard: Surveyed, azimuth: float, elevation: float) -> int:
    """Of the directions that the array cannot tell from a given one, that which most votes were given to."""
    away = np.linalg.norm(heard.grid.embedding - embed(heard.grid, azimuth, elevation), axis=1)
    return int(np.argmax(np.where(away <= away.min() + 1e-9, heard.survey.votes, -1.0)))


def _placed(heard: Surveyed, n_sources: int | None) -> Found:
    """Places of the sources of a wide array, from the directions that its parts see."""
    chosen, rays, votes, supports = [], [], [], []
    n_bands = min(len(srp.bands) for srp in heard.srps)
    for view, srp, survey in zip(heard.views, heard.srps, heard.surveys, strict=True):
        indices, support = find_peaks(survey.by_band, view.grid, n_sources, unaliased=srp.unaliased, n_votes=survey.n_votes)
        azimuth, elevation = mean_directions(survey.votes, view.grid, indices)
        chosen.append(indices)
        supports.append(support)
        rays.append(to_vectors(azimuth, elevation))
        own = [own_votes(survey.where, survey.weight, view.grid, indices, s)[:n_bands] for s in range(len(indices))]
        votes.append(np.array(own).reshape(len(indices), n_bands, survey.where.shape[1]))
    middle = np.mean([view.center for view in heard.views], axis=0)
    around = candidate_directions(heard.array)
    tracks = matched(heard.views, rays, votes, middle, around)
    if not tracks:
        azimuth, elevation = mean_directions(heard.survey.votes, heard.grid, chosen[0])
        return Found(Directions(azimuth, elevation, supports[0]), chosen[0], heard.survey.votes, "votes")
    strength = [max(float(supports[v][s]) for v, s in track.items()) for track in tracks]
    order = sorted(range(len(tracks)), key=lambda t: -strength[t])[:n_sources]
    places, seen_by, nearest = [], [], []
    for track in (tracks[t] for t in order):
        place = cross([heard.views[v] for v in track], [rays[v][s] for v, s in track.items()], middle, around)
        best = max(track, key=lambda v: float(supports[v][track[v]]))
        places.append(place)
        seen_by.append((best, chosen[best][track[best]]))
        toward = to_vectors(np.asarray(place.azimuth), np.asarray(place.elevation))
        ahead = to_angles(toward + place.inverse * (middle - heard.views[0].center))
        nearest.append(chosen[0][track[0]] if 0 in track else _index(heard, *map(float, ahead)))
    found = Directions(
        np.array([place.azimuth for place in places]),
        np.array([place.elevation for place in places]),
        np.array([strength[t] for t in order]),
    )
    return Found(found, nearest, heard.survey.votes, "votes", places, seen_by)
