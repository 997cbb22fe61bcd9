"""The command `arrayscene` and what happens when it fails."""

from __future__ import annotations

import errno
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from arrayscene.cli import array, bench, convert, demo, doctor, evaluate, locate, recover, simulate, sound_map, track, train
from arrayscene.cli.exit_codes import INTERRUPTED, USER_ERROR
from arrayscene.cli.methods import WithMethods
from arrayscene.errors import ArraySceneError


class Commands(TyperGroup):
    """A command group whose failures are one line on stderr; `--debug` adds the traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse empty words, which are what is left of a variable of the shell that is not set."""
        for before, word in zip(["", *args], args, strict=False):
            option, equals, value = word.partition("=")
            if not word.strip():
                ctx.fail(f"an empty word came{f' after {before}' if before else ''}; is a variable of the shell not set?")
            if option.startswith("--") and equals and not value.strip():
                ctx.fail(f"{word} came with nothing behind it; is a variable of the shell not set?")
        return list(super().parse_args(ctx, args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; turn what a user can cause into a message and an exit code."""
        debug = bool(ctx.params.get("debug"))
        try:
            with warnings.catch_warnings():
                if not debug:
                    warnings.simplefilter("ignore")
                    warnings.simplefilter("always", UserWarning)
                    warnings.showwarning = _shown_once()
                return super().invoke(ctx)
        except KeyboardInterrupt:
            _say("interrupted: nothing was written")
            raise typer.Exit(INTERRUPTED) from None
        except (ArraySceneError, MemoryError, OSError, RuntimeError) as error:
            message = _explain(error)
            if message is None:
                raise
            if debug:
                traceback.print_exc()
            _say(f"error: {message}")
            raise typer.Exit(USER_ERROR) from error


app = typer.Typer(
    name="arrayscene",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("recover", cls=WithMethods, short_help="A recording in, a scene out.")(recover.recover)
app.command("locate", short_help="Where the sources are, and how loud.")(locate.locate)
app.command("track", cls=WithMethods, short_help="Follow sources that move.")(track.track)
app.add_typer(array.app, name="array", short_help="Known arrays, and what an array looks like.")
app.command("map", short_help="Where it is loud: sound maps as pictures and numbers.")(sound_map.sound_map)
app.command("convert", short_help="Another format, rate or choice of channels.")(convert.convert)
app.command("simulate", short_help="Talkers in a room, with the truth beside.")(simulate.simulate)
app.command("evaluate", short_help="A result against the truth of a simulation.")(evaluate.evaluate)
app.command("demo", short_help="See it work without a recording.")(demo.demo)
app.command("bench", short_help="Methods and peers on the same scenes.")(bench.bench)
app.command("train", short_help="Train a network, or go on with a training.")(train.train)
app.command("doctor", short_help="Does it work here, and if not, what to do.")(doctor.doctor)


def _version(value: bool) -> None:
    if value:
        from arrayscene import __version__

        typer.echo(f"arrayscene {__version__}")
        raise typer.Exit


@app.callback()
def arrayscene(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recover the audio scene from a microphone array's recording: who sounds where, how loud, and each one by itself."""


def main() -> None:
    """Entry point of the command `arrayscene`."""
    app()


OPTIONS = {
    "n_sources=": "--sources ",
    "n_sources": "--sources",
    "draws=": "--draws ",
    "overwrite=True": "--overwrite",
    "moving=True": "--moving",
    "segment:": "--start and --stop:",
}
"""What the library calls its arguments, and what the command line calls them."""


OUT_OF_MEMORY = re.compile("not enough memory|can't allocate memory")
"""How torch says it, in one version or another."""


def _in_options(text: str) -> str:
    """A message of the library in words of the command line."""
    for name, option in OPTIONS.items():
        text = re.sub(rf"(?<![-\w]){name}", option, text)
    return text


def _explain(error: BaseException) -> str | None:
    """One line for an error that a user can cause; None for everything else, which is a bug and keeps its traceback."""
    if isinstance(error, ArraySceneError):
        return _in_options(" ".join(str(error).split()))
    # torch reports a failed allocation on the CPU as a plain RuntimeError.
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(str(error))):
        return "the memory does not suffice for so long a recording; take a stretch with --start and --stop, or a lower --rate"
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError) and error.errno is not None:
        if error.errno == errno.ENOSPC:
            return f"the disk is full{_where(error)}; free some space or choose another folder with --out"
        return f"{error.strerror}{_where(error)}"
    return None


def _where(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def _shown_once() -> Callable[..., None]:
    """What shows warnings: each text once, from however many places it comes."""
    said: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        text = " ".join(str(message).split())
        if text not in said:
            said.add(text)
            _say(f"warning: {text}")

    return show


def _say(text: str) -> None:
    print(text, file=sys.stderr)
