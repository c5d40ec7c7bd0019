"""Reads every documented path of a run folder with h5py and prints what it found, one name and value a line.

Arguments: the run folder. Used by the tests of RunStore.
"""

import sys

import h5py
import numpy

folder = sys.argv[1]


def show(name, value):
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, numpy.ndarray):
        value = [item.decode() if isinstance(item, bytes) else item for item in value.tolist()]
    print(f"{name}={value!r}".replace("\n", "\\n"))


with h5py.File(f"{folder}/run.h5", "r") as run:
    for name in ["format_version", "experiment", "model", "seed", "parameters", "multiply_adds", "classes", "trial_sha256", "data_sha256", "NX_class", "default"]:
        show(f"@{name}", run.attrs[name].item() if hasattr(run.attrs[name], "item") else run.attrs[name])
    show("/config", run["config"].asstr()[()])
    names = {value: name for name, value in h5py.check_enum_dtype(run["status"].dtype).items()}
    show("/status", names[int(run["status"][()])])
    places = ["title", "class", "predicted_class"]
    for group in ["metrics/train", "metrics/epoch", "evaluation/test"]:
        for name, dataset in run[group].items():
            if name in places:
                show(f"/{group}/{name}", dataset[()])
                continue
            assert dataset.fletcher32 and dataset.shuffle and dataset.maxshape[0] is None, dataset
            show(f"/{group}/{name} {dataset.dtype} {dataset.attrs['units'].decode()}", dataset[:3])
    show("/digests/tensor", run["digests/tensor"][:])
    for name in ["step", "checksum"]:
        show(f"/digests/{name} {run['digests'][name].dtype}", run["digests"][name][:3])
    layers = run["metrics/layers"]
    show("/metrics/layers/layer", layers["layer"][:])
    for name in ["epoch", "activation_mean", "activation_variance", "gradient_variance", "predicted_activation_variance", "predicted_gradient_variance"]:
        show(f"/metrics/layers/{name} {layers[name].dtype} {layers[name].attrs['units'].decode()}", layers[name][:2])
    # The way a viewer finds the curve to draw.
    found = run
    while "signal" not in found.attrs:
        found = found[found.attrs["default"].decode()]
    show("plot", [found.name, found.attrs["signal"].decode(), found.attrs["axes"][0].decode(), found.attrs["NX_class"].decode()])

with h5py.File(f"{folder}/weights/last.h5", "r") as weights:

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            show(f"/{name} {item.dtype} {item.shape}", item[()].ravel()[:2])

    weights.visititems(visit)
