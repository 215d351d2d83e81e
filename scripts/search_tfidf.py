"""Try other parameters of train_tfidf side by side, and say which are best on validation.

    python scripts/search_tfidf.py --workers 2
    DASK_SCHEDULER_ADDRESS=tcp://scheduler:8786 python scripts/search_tfidf.py

Reads the sections `search_tfidf` and `train_tfidf` of params.yaml. Each trial trains on train and is judged on
validation, on this machine's processes or on the workers of a Dask cluster; test is never read. MLflow gets one run for
the search, and a nested one for each trial. Nothing is changed: the last line is the command that takes the best over.
The best of many trials looks better than it is: a gain that its own interval does not clear is none. Who can
reach the Dask scheduler can run code on its workers: keep it in a network that you trust.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401
from callcenterai.core.cli import positive, run

if TYPE_CHECKING:
    from callcenterai.core.params import TrainTfidfParameters
    from callcenterai.data.parts import Part
    from callcenterai.search.search_trial import Trial


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and search; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--workers", type=positive, help="processes on this machine; default: one for each core")
    args = parser.parse_args(argv)
    return run(lambda: search(args.params, args.data, args.workers))


def search(params_path: Path, data: Path, workers: int | None) -> None:
    """Carry out all trials, log each, and print them with the best first."""
    from callcenterai.core.params import TrainTfidfParameters, read_parameters
    from callcenterai.data.parts import read_part
    from callcenterai.search.search_space import SearchTfidfParameters, trials_of

    base = read_parameters(params_path, "train_tfidf", TrainTfidfParameters)
    space = read_parameters(params_path, "search_tfidf", SearchTfidfParameters)
    planned = trials_of(space, base, params_path)
    parts = {name: read_part(data, name) for name in ("train", "validation")}

    from callcenterai.core.cluster import connected
    from callcenterai.search.search_report import best_first, print_report
    from callcenterai.search.search_runs import SearchRuns

    done = []
    with connected(workers), SearchRuns("tfidf", space, parts) as runs:
        for trial in carried_out(planned, parts):
            runs.log(trial)
            done.append(trial)
        ranked = best_first(done, space)
        runs.name_best(ranked[0])
    print_report(ranked, done, base, params_path)
    print(f"MLflow run {runs.id}")


def carried_out(planned: "list[TrainTfidfParameters]", parts: "dict[str, Part]") -> "Iterator[Trial]":
    """Yield the trials as they end, in whichever order; a Dask client must be there."""
    from joblib import Parallel, delayed, parallel_config
    from tqdm import tqdm

    from callcenterai.core.cluster import killing_is_said
    from callcenterai.search.search_trial import carry_out

    train, validation = parts["train"], parts["validation"]
    with parallel_config(backend="dask", scatter=[train, validation]):
        # One task for each trial: they take seconds, and joblib's batches would leave workers idle at the end.
        parallel = Parallel(return_as="generator_unordered", batch_size=1)
        tasks = (delayed(carry_out)(number, train, validation, params) for number, params in enumerate(planned))
        with killing_is_said("a trial", "give them more"):
            yield from tqdm(parallel(tasks), desc="trials", total=len(planned), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
