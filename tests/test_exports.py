"""The public names, and what importing them costs."""

import subprocess
import sys

import pytest

import arrayscene

HEAVY = ("torch", "numba", "matplotlib", "scipy", "soundfile", "soxr", "pyroomacoustics", "lightning_fabric", "safetensors")


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after `code`."""
    script = f"import sys\n{code}\nprint('loaded', *sorted(set({HEAVY}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split()[1:])


def test_public_names_are_sorted() -> None:
    """In the order of ruff's RUF022: constants, classes, the rest."""
    kinds = [(0 if name.isupper() else 1 if name[0].isupper() else 2, name) for name in arrayscene.__all__]
    assert kinds == sorted(kinds)
    assert len(set(arrayscene.__all__)) == len(arrayscene.__all__)


@pytest.mark.parametrize("name", arrayscene.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(arrayscene, name) is not None
    assert name in dir(arrayscene)


def test_recover_stays_the_function() -> None:
    """No module may bear its name and hide it once imported."""
    import importlib

    importlib.import_module("arrayscene.recovery")
    assert callable(arrayscene.recover)
    assert arrayscene.recover.__name__ == "recover"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recovr'"):
        arrayscene.recovr  # noqa: B018


def test_version() -> None:
    assert arrayscene.__version__.count(".") == 2


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import arrayscene") == set()


def test_help_loads_nothing_heavy() -> None:
    code = "from typer.testing import CliRunner\nfrom arrayscene.cli.main import app\n"
    assert loaded_after(code + "assert CliRunner().invoke(app, ['--help']).exit_code == 0") == set()
    assert loaded_after(code + "assert CliRunner().invoke(app, ['recover', '--help']).exit_code == 0") == set()
    assert loaded_after(code + "assert CliRunner().invoke(app, ['train', '--help']).exit_code == 0") == set()
