"""Data files that take their content from elsewhere → Tests/Fixtures/sources: by links, virtual datasets and external storage.

Each has a dataset /images of 4 x 3 bytes; below/part.h5 and below/raw.bin hold the bytes 0 to 11. The tests put a file called outside.h5 and
one called outside.txt beside the folder.
"""
import pathlib

import h5py
import numpy as np

folder = pathlib.Path(__file__).parent.parent / "Fixtures/sources"
(folder / "below").mkdir(parents=True, exist_ok=True)
numbers = np.arange(12, dtype="u1").reshape(4, 3)


def new(name):
    return h5py.File(folder / f"{name}.h5", "w", libver=("v110", "v110"))


def virtual(name, *sources, numbers=None):
    """`sources`: of a file, a dataset and the rows that it fills, from its beginning."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    for file, dataset, rows in sources:
        part, count = h5py.h5s.create_simple((4, 3)), rows.stop - rows.start
        part.select_hyperslab((rows.start, 0), (count, 3))
        properties.set_virtual(part, file.encode(), dataset.encode(), h5py.h5s.create_simple((count, 3)))
    with new(name) as f:
        if numbers is not None:
            f["numbers"] = numbers
        h5py.h5d.create(f.id, b"images", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((4, 3)), properties)


def external(name, *files):
    with new(name) as f:
        f.create_dataset("images", (4, 3), "u1", external=list(files))


with new("below/part") as f:
    f["images"] = numbers
    f["first"] = numbers[:2]
    f["up"] = h5py.ExternalLink("../../outside.h5", "/images")
(folder / "below/raw.bin").write_bytes(numbers.tobytes())
(folder / "below/short.bin").write_bytes(numbers.tobytes()[:7])

with new("link_below") as f:
    f["images"] = h5py.ExternalLink("below/part.h5", "/images")
with new("link_through_group") as f:
    f["group"] = h5py.ExternalLink("below/part.h5", "/")
    f["images"] = h5py.SoftLink("/group/images")
with new("link_outside") as f:
    f["images"] = h5py.ExternalLink("../outside.h5", "/images")
with new("link_twice") as f:
    f["images"] = h5py.ExternalLink("below/part.h5", "/up")
with new("link_missing") as f:
    f["images"] = h5py.ExternalLink("below/nowhere.h5", "/images")
with new("link_to_itself") as f:
    f["images"] = h5py.SoftLink("/images")
with new("link_by_symbolic_link") as f:
    f["images"] = h5py.ExternalLink("below/escape.h5", "/images")

virtual("virtual_below", ("below/part.h5", "first", slice(0, 2)), ("below/part.h5", "first", slice(2, 4)))
virtual("virtual_here", (".", "numbers", slice(0, 4)), numbers=numbers)
virtual("virtual_of_virtual", ("virtual_below.h5", "images", slice(0, 4)))
virtual("virtual_missing_file", ("below/nowhere.h5", "images", slice(0, 4)))
virtual("virtual_missing_dataset", ("below/part.h5", "nothing", slice(0, 4)))
virtual("virtual_outside", ("../outside.h5", "images", slice(0, 4)))
virtual("virtual_of_itself", (".", "images", slice(0, 4)))
virtual("virtual_in_a_circle", ("virtual_in_a_circle_too.h5", "images", slice(0, 4)))
virtual("virtual_in_a_circle_too", ("virtual_in_a_circle.h5", "images", slice(0, 4)))
virtual("virtual_gap", ("below/part.h5", "first", slice(0, 2)))
virtual("virtual_overlap", ("below/part.h5", "first", slice(0, 2)), ("below/part.h5", "first", slice(1, 3)))
virtual("virtual_larger_than_its_source", ("below/part.h5", "first", slice(0, 4)))

external("external_below", ("below/raw.bin", 0, 12))
external("external_short", ("below/short.bin", 0, 12))
external("external_missing", ("below/nowhere.bin", 0, 12))
external("external_outside", ("../outside.txt", 0, 12))



def declared(name, shape, chunk, written):
    """A data set as an experiment names it, of which only the first images were written, and their labels."""
    with new(name) as f:
        for part in ["train", "test"]:
            images = f.create_dataset(f"{part}/images", shape, "u1", chunks=(chunk, *shape[1:]))
            labels = f.create_dataset(f"{part}/labels", shape[:1], "u1", chunks=(chunk,))
            images[:written] = np.arange(written).reshape(-1, 1, 1, 1)
            labels[:written] = np.arange(written) % 2


declared("images_in_part", (4, 1, 2, 2), 2, written=2)
declared("images_unwritten", (4, 1, 2, 2), 2, written=0)
declared("images_in_excess", (1 << 28, 1, 8, 8), 1 << 10, written=0)
declared("images_uncountable", (1 << 40, 1, 1, 1), 1 << 10, written=0)
