"""Every method of ours and every peer that is installed, on five kinds of simulated rooms: `arrayscene bench` at full size.

With the shared recordings, talkers are those that the network was not trained with.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from common import ROOT, folder_unseen, shared_folder

from arrayscene.bench import SETS, make_scenes, run
from arrayscene.bench.page import write
from arrayscene.bench.peers import peers
from arrayscene.bench.run import OURS
from arrayscene.naming import one_of

FIRST = 7000
"""Numbers from here on were used by no tuning."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality, time and memory of the methods, written to results/.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(SETS)}; default: all")
    parser.add_argument("--scenes", type=int, default=20, metavar="N", help="of each kind")
    asked = parser.parse_args()
    kinds = [one_of(kind, list(SETS), "KIND") for kind in asked.kinds] or list(SETS)
    root = shared_folder()
    with nullcontext() if root is None else folder_unseen(root) as speech:
        scenes = {kind: make_scenes(kind, asked.scenes, speech=speech, first=FIRST) for kind in kinds}
    results = run([*OURS, *peers()], scenes, lambda method, done: print(f"{100 * done:3.0f} % {method}", flush=True))
    for path in write(results, ROOT / "results"):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
