"""Validates definitions against `harness schema` with jsonschema: those of a folder have to pass, and copies with faults have to fail.

    validate_definitions.py SCHEMA.json FOLDER

Needs jsonschema and PyYAML.
"""

import copy
import json
import pathlib
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2, in which 2e-3 is a number, and what is read as one of several forms stays a text."""


Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"), list("-+.0123456789"))

FAULTS = [
    ("trian", {"epochs": 1}), ("train.epoch", 3), ("train.epochs", "many"), ("train.epochs", 0), ("train.optimizer", "adamx"),
    ("train.optimizer", {"adamw": {"lr": 1}}), ("train.optimizer", {"adamw": {}, "sgd": {}}), ("train.schedule", {"cosine": {"warmup": 1}}),
    ("train.decay_all", "perhaps"), ("data.name", "fashion"), ("data.augment", [{"shfit": 2}]), ("data.normalization", {"mean": [0.5], "sd": [1]}),
    ("task", "segmentashun"), ("seeds", [-1]), ("precision", "fp16"), ("models.extra", {"resnt": {"depth": 20}}), ("models.extra", {"vit": {"pacth": 4}}),
    ("models.extra", {"vit": {"patch": 4, "width": 8.5}}), ("models.extra", {"backbone": {"resnet": {"cut": "stage1"}}}),
    ("models.extra", "resnet21"), ("sweep", {"gird": {}}), ("sweep", {"halving": {"factor": 1}}),
]
RIGHT = [
    ("task", "classification"), ("train", None), ("train.early_stopping", None), ("models.extra", "vit-tiny-16"), ("models.extra", {"mlp": {"widths": 5}}),
    ("models.extra", {"vit": {}}), ("models.extra", {"resnet20": None, "train": {"epochs": 1}}), ("extends", ["a", "b.yaml"]), ("data.augment", "horizontal_flip"),
    ("models.extra", {"transformer": {"width": 8}, "head": {"pool": "mean"}}), ("train.optimizer", "sgd"),
]


def changed(definition, path, value):
    definition = copy.deepcopy(definition)
    *parents, last = path.split(".")
    place = definition
    for key in parents:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    place[last] = value
    return definition


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    definitions = {path: yaml.load(path.read_text(), Loader) for path in sorted(pathlib.Path(sys.argv[2]).rglob("*.yaml"))}
    failures = [f"{path.name}: {error.json_path}: {error.message[:200]}" for path, definition in definitions.items()
                for error in validator.iter_errors(definition)]
    start = {"data": {"name": "digits"}, "models": {"m": {"lenet5": {}}}}
    failures += [f"accepted: {path}: {value}" for path, value in FAULTS if validator.is_valid(changed(start, path, value))]
    failures += [f"refused: {path}: {value}" for path, value in RIGHT if not validator.is_valid(changed(start, path, value))]
    print("\n".join(failures) or f"{len(definitions)} definitions, {len(FAULTS)} faults, {len(RIGHT)} variations")
    sys.exit(1 if failures else 0)


main()
