"""What the tests of failing writes and flipped bits share: the program, small definitions, and the comparison of what it leaves behind."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

# Each trains in a few tenths of a second on the embedded digits; `grid` has no checkpoint before the end of an epoch.
DEFINITIONS = {
    "small": """
data:   {name: digits, train_examples: 320, test_examples: 64}
train:  {epochs: 2, batch_size: 64, checkpoint_every_steps: 3, optimizer: {adamw: {learning_rate: 1e-2}}}
models: {mlp: {mlp: {widths: [8]}}}
""",
    "grid": """
extends: small.yaml
train: {checkpoint_every_steps: null}
sweep: {grid: {train.optimizer.adamw.learning_rate: [1e-3, 1e-2], models.mlp.mlp.widths: [[4], [8]]}}
""",
    # Running statistics, momentum, statistics of the layers: something of all that a run can hold.
    "rich": """
data:   {name: digits, train_examples: 320, test_examples: 64}
train:  {epochs: 3, batch_size: 64, checkpoint_every_steps: 2, layer_statistics: true, optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}}
models: {resnet: {resnet: {depth: 8, width: 4}}}
""",
}


class Ended:
    """How a process ended; `code` is negative where a signal ended it, and None where it hung and was killed."""

    def __init__(self, code, output, errors):
        self.code, self.output, self.errors = code, output, errors

    @property
    def crashed(self):
        """A sentence where it ended as no program should, or None."""
        if self.code is None:
            return "hangs"
        if self.code < 0 or "Fatal error" in self.errors:
            return f"ends by signal {-self.code}"
        return None

    @property
    def last_words(self):
        return (self.errors.strip().splitlines() or ["(says nothing)"])[-1]


class Place:
    """A folder with the definitions, in which the program runs."""

    def __init__(self, program, keep=False):
        self.program = str(pathlib.Path(program).resolve())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="harness-faults-")).resolve()
        self.keep = keep
        (self.folder / "Experiments").mkdir()
        for name, text in DEFINITIONS.items():
            (self.folder / "Experiments" / f"{name}.yaml").write_text(text.lstrip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def preload(self):
        """The compiled library that lets calls fail; ends the script with 69 where there is no C compiler."""
        path = self.folder / "failing_calls.so"
        compiler = next(filter(shutil.which, ["cc", "clang", "gcc"]), None)
        if not compiler:
            sys.exit(69)
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(path), str(HERE / "failing_calls.c"), "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
        return str(path)

    def run(self, words, faults=None, timeout=120):
        """Runs the program; `faults` are further variables of its environment."""
        environment = {name: value for name, value in os.environ.items() if name != "HARNESS_HOME" and not name.startswith("FAULTS_")}
        environment.update(faults or {})
        process = subprocess.Popen(
            [self.program, *words], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace")
        try:
            output, errors = process.communicate(timeout=timeout)
            return Ended(process.returncode, output, errors)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            return Ended(None, output, errors)


def files(folder):
    """The bytes of every file below a folder by its path, except below names that begin with a dot."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[str(name)] = path.read_bytes()
    return found


def machine_complaint(data):
    """What is wrong with the bytes of a machine.json, or None."""
    try:
        record = json.loads(data)
    except ValueError:
        return "is not JSON"
    kinds = {"host": str, "processor": str, "threads": int, "versions": dict, "command": list, "started_at": str, "wall_clock_seconds": (int, float)}
    wrong = [name for name, kind in kinds.items() if not isinstance(record.get(name), kind)]
    return f"lacks {', '.join(wrong)}" if wrong else None


def differences(found, expected):
    """Sentences about how files differ from those of an undisturbed run; the content of machine.json is of its own machine."""
    sentences = []
    for path in sorted(set(found) | set(expected)):
        if path not in found:
            sentences.append(f"{path} is missing")
        elif path not in expected:
            sentences.append(f"{path} is left over")
        elif path.endswith("machine.json"):
            complaint = machine_complaint(found[path])
            if complaint:
                sentences.append(f"{path} {complaint}")
        elif found[path] != expected[path]:
            sentences.append(f"{path} has other bytes")
    return sentences


def temporary_files(folder):
    return [f"{path.relative_to(folder)} is left over" for path in pathlib.Path(folder).rglob("*.tmp")]


def arguments(description, count, **more):
    """The options that all scripts have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--program", required=True, help="the built program")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of the random choice; printed")
    parser.add_argument("--count", type=int, default=count, help=f"how many random cases (default {count})")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default 2)")
    parser.add_argument("--keep", action="store_true", help="leave the folder of the runs, and print it")
    for name, options in more.items():
        parser.add_argument(f"--{name}", **options)
    return parser.parse_args()


def in_parallel(jobs, function, items):
    """The results in the order of the items, with a mark on standard error for every hundredth."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for index, result in enumerate(pool.map(function, items), 1):
            if index % 100 == 0:
                print(f"  {index} of {len(items)}", file=sys.stderr, flush=True)
            yield result


def table(rows):
    """Rows of words as lines of aligned columns."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(str(word).ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
