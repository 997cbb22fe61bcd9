"""What can go wrong, by kind. Every message says: what came, what was wanted, what to do."""


class ArraySceneError(Exception):
    """Base of every error that a user can cause and mend; the command line prints it in one line and exits with 2."""


class ShapeError(ArraySceneError, ValueError):
    """A tensor has the wrong axes, size or type."""


class GeometryError(ArraySceneError, ValueError):
    """Microphone positions or directions that no array can have or that do not match the data."""


class RecordingError(ArraySceneError, ValueError):
    """Audio that cannot be read, written or used."""


class DeviceError(ArraySceneError, RuntimeError):
    """A sound device, GPU or optional package that is not there or refuses."""


class ConvergenceError(ArraySceneError, RuntimeError):
    """An iteration that did not reach a usable answer."""
