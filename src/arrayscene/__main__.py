"""`python -m arrayscene` is the command `arrayscene`, for launchers that take a module, such as torchrun."""

from arrayscene.cli.main import main

main()
