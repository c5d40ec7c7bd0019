"""Prints what a viewer of NeXus files draws of a run file: the plot it finds by itself, then that of every group that is one.

Arguments: the run file, and `h5py` or `silx`, by whose means. Used by the tests of RunStore.
"""

import sys

import h5py

path, means = sys.argv[1:]


def text(value):
    """Text of fixed length is bytes to h5py, unless the viewer shows it as it is."""
    return value.decode() if isinstance(value, bytes) else value


def by_h5py(group):
    def label(name):
        return None if name == "." else text(group[name].attrs["long_name"])

    signals = [text(group.attrs["signal"])]
    # A further signal's label is what h5py makes of the attribute, with nothing decoded: so silx has it in its legend.
    further = [text(name) for name in group.attrs.get("auxiliary_signals", [])]
    return (
        text(group["title"][()]), [label(name) for name in signals] + [group[name].attrs["long_name"] for name in further],
        [label(text(name)) for name in group.attrs["axes"]], text(group[signals[0]].attrs.get("interpretation")), group[signals[0]].shape,
    )


def by_silx(group):
    from silx.io.nxdata import get_default

    data = get_default(group, validate=True)
    assert data is not None and data.is_valid, group
    return data.title, [data.signal_name] + data.auxiliary_signals_names, data.axes_names, data.interpretation, data.signal.shape


def show(name, group):
    title, signals, axes, interpretation, shape = (by_silx if means == "silx" else by_h5py)(group)
    print(f"{name}: {title!r} signals={list(signals)!r} axes={list(axes)!r} interpretation={interpretation!r} shape={shape!r}")


with h5py.File(path, "r") as run:
    if means == "silx":
        show("unasked", run)
    else:
        group = run
        while text(group.attrs["NX_class"]) != "NXdata":
            group = group[text(group.attrs["default"])]
        show("unasked", group)
    for name in ["metrics/train", "metrics/epoch", "metrics/layers", "evaluation/test"]:
        show(name, run[name])
    print("classes", run["evaluation/test/class"][:].tolist(), run["evaluation/test/predicted_class"][:].tolist())
