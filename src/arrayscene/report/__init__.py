"""What comes out of a recovery: a folder with the scene as data, the sources as sound, and a page to read and hear both."""

from arrayscene.report.writer import check_target, write_scene

__all__ = ["check_target", "write_scene"]
