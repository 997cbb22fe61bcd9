"""Every method of ours and every peer that is installed, on five kinds of simulated rooms: `arrayscene bench` at full size.

With the shared recordings, talkers are those that the network was not trained with.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

from common import ROOT, folder_unseen, shared_folder

from arrayscene.bench import SETS, make_scenes, run
from arrayscene.bench.page import write
from arrayscene.bench.peers import peers
from arrayscene.bench.run import OURS

N_SCENES, FIRST = 20, 7000
"""Numbers that no tuning used."""


def main() -> None:
    root = shared_folder()
    kinds = sys.argv[1:] or list(SETS)
    with nullcontext() if root is None else folder_unseen(root) as speech:
        scenes = {kind: make_scenes(kind, N_SCENES, speech=speech, first=FIRST) for kind in kinds}
    results = run([*OURS, *peers()], scenes, lambda method, done: print(f"{100 * done:3.0f} % {method}", flush=True))
    for path in write(results, ROOT / "results"):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
