"""SOFA files (AES69): opened through sofar, with every defect named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import DeviceError, GeometryError

if TYPE_CHECKING:
    import sofar

_METRES = {"m", "metre", "metres", "meter", "meters"}
_DEGREES = {"degree", "degrees", "deg"}


def read_sofa(path: str | Path) -> sofar.Sofa:
    """Read a SOFA file of any convention.

    The file is not held to its convention, from which many published files stray a little: `sofa_values` and
    `sofa_positions` check what is used of it.

    Args:
        path: a .sofa file.

    Returns:
        An object with one attribute an entry, such as `Data_IR`, as sofar names them.

    Raises:
        GeometryError: the file is missing, not SOFA, or breaks off.
        DeviceError: sofar is not installed.

    Reference: AES69-2022, AES standard for file exchange - Spatial acoustic data file format.
    """
    path = Path(path)
    try:
        import sofar
    except ImportError as error:
        raise DeviceError(f"{path}: SOFA files are read with sofar, which is missing; pip install 'arrayscene[sofa]'") from error
    if path.suffix != ".sofa":
        raise GeometryError(f"SOFA file {path}: the suffix {path.suffix!r} came; .sofa in small letters was wanted; rename it")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise GeometryError(f"SOFA file {path}: {error.strerror or error}; a readable .sofa file was wanted") from error
    if not (start.startswith(b"\x89HDF\r\n\x1a\n") or start.startswith(b"CDF")):
        raise GeometryError(
            f"SOFA file {path}: it starts with {start!r}, which is not netCDF-4; fetch it again (some downloads hold a link)"
        )
    try:
        with warnings.catch_warnings():
            # Values that are not there are refused where they are needed.
            warnings.filterwarnings("ignore", message="Entry .* contains missing data", category=UserWarning)
            sofa = sofar.read_sofa_as_netcdf(str(path))
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise GeometryError(f"SOFA file {path}: damaged or cut short ({error}); fetch the file again") from error
    if getattr(sofa, "GLOBAL_Conventions", None) != "SOFA":
        raise GeometryError(
            f"SOFA file {path}: netCDF, but not marked as SOFA (its attribute Conventions); a SOFA file was wanted"
        )
    return sofa


def sofa_values(sofa: sofar.Sofa, path: str | Path, entry: str) -> NDArray[np.float64]:
    """The numbers of one entry that the file must have.

    Args:
        sofa: what `read_sofa` gave.
        path: named in errors.
        entry: as sofar names it, such as "Data_IR".

    Returns:
        float64, in the file's shape.

    Raises:
        GeometryError: no such entry, no numbers, or some of them missing or not finite.
    """
    raw: Any = getattr(sofa, entry, None)
    if raw is None:
        raise GeometryError(f"SOFA file {path}: no entry {entry}; this use of the file needs it")
    if np.asarray(raw).dtype.kind not in "iuf" or np.ma.is_masked(raw) or not np.isfinite(raw).all():
        raise GeometryError(f"SOFA file {path}: {entry} holds missing values or what is no finite number; mend the file")
    return np.asarray(raw, dtype=np.float64)


def sofa_positions(sofa: sofar.Sofa, path: str | Path, entry: str) -> NDArray[np.float64]:
    """One position entry in Cartesian metres: x front, y left, z up, as AES69 and this package have it.

    Args:
        sofa: what `read_sofa` gave.
        path: named in errors.
        entry: "SourcePosition", "ReceiverPosition", "ListenerPosition", ...

    Returns:
        float64 in the file's shape, coordinates along axis 1: (M, 3) for sources, (R, 3, I) for receivers.

    Raises:
        GeometryError: an entry that is missing, malformed, or in coordinates or units other than AES69's Cartesian metres and
            spherical degrees.
    """
    raw = sofa_values(sofa, path, entry)
    if raw.ndim < 2 or raw.shape[1] != 3:
        raise GeometryError(f"SOFA file {path}: {entry} has shape {raw.shape}; three coordinates along axis 1 were wanted")
    kind = str(getattr(sofa, f"{entry}_Type", "cartesian")).strip().lower()
    stated = str(getattr(sofa, f"{entry}_Units", "metre" if kind == "cartesian" else "degree, degree, metre"))
    units = [unit.strip().lower() for unit in stated.split(",")]
    if kind == "cartesian" and set(units) <= _METRES:
        return raw
    if kind == "spherical" and len(units) == 3 and set(units[:2]) <= _DEGREES and units[2] in _METRES:
        azimuth, elevation, radius = np.deg2rad(raw[:, 0]), np.deg2rad(raw[:, 1]), raw[:, 2]
        level = radius * np.cos(elevation)
        return np.stack([level * np.cos(azimuth), level * np.sin(azimuth), radius * np.sin(elevation)], axis=1)
    raise GeometryError(
        f"SOFA file {path}: {entry} is {kind!r} in {stated!r}; 'cartesian' in metres or 'spherical' in degrees and metres was "
        "wanted"
    )
