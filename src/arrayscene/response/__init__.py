"""A: what the array hears of a source at a place."""

from arrayscene.response.base import MatrixResponse, Response
from arrayscene.response.rigid import RigidSphere, far_field
from arrayscene.response.steering import PlaneWave, SphericalWave, unit_vectors

__all__ = ["MatrixResponse", "PlaneWave", "Response", "RigidSphere", "SphericalWave", "far_field", "unit_vectors"]
