"""The far-field response that suits an array."""

from __future__ import annotations

from torch import Tensor

from arrayscene.arguments import check_kind
from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response.base import Response
from arrayscene.response.cylinder import RigidCylinder
from arrayscene.response.rigid import RigidSphere
from arrayscene.response.steering import PlaneWave


def far_field(
    array: MicrophoneArray,
    azimuth: Tensor | float,
    elevation: Tensor | float = 0.0,
    *,
    frequencies: Tensor,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> Response:
    """Plane waves as the array hears them: around its rigid sphere or cylinder if it has one, else in free field.

    The arguments and errors are those of `PlaneWave`, `RigidSphere` and `RigidCylinder`.
    """
    check_kind("far_field", array, MicrophoneArray, "a MicrophoneArray", GeometryError)
    kind: type[PlaneWave | RigidSphere | RigidCylinder] = PlaneWave
    if array.body_radius is not None:
        kind = RigidCylinder if array.body_shape == "cylinder" else RigidSphere
    return kind(array, azimuth, elevation, frequencies=frequencies, speed_of_sound=speed_of_sound)
