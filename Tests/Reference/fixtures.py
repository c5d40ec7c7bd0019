"""Writes fixture files that are the same bytes every time. The format is described in README.md."""

import json
import zlib
from pathlib import Path

import h5py
import numpy
import torch

torch.set_num_threads(1)

FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures"


class FixtureFile:
    """An HDF5 file without object times, in the format that libhdf5 1.10 writes and reads."""

    def __init__(self, name):
        FIXTURES.mkdir(exist_ok=True)
        self.path = FIXTURES / name
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
        creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
        creation.set_obj_track_times(False)
        identifier = h5py.h5f.create(str(self.path).encode(), h5py.h5f.ACC_TRUNC, creation, access)
        self.file = h5py.File(identifier)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        print(f"{self.path.name}: {self.path.stat().st_size / 1024:.0f} KiB")

    def group(self, path, **attributes):
        """Creates the group and its parents; attributes become fixed-length UTF-8 strings (JSON unless a string)."""
        current = self.file
        for part in filter(None, path.split("/")):
            if part not in current:
                creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
                creation.set_obj_track_times(False)
                h5py.h5g.create(current.id, part.encode(), gcpl=creation)
            current = current[part]
        for key, value in attributes.items():
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            encoded = text.encode()
            current.attrs.create(key, encoded, dtype=h5py.string_dtype("utf-8", len(encoded)))
        return current

    def array(self, path, value):
        """Floating-point values become float32, labels and indices int32, bytes stay uint8."""
        value = value.detach().numpy() if isinstance(value, torch.Tensor) else numpy.asarray(value)
        if value.dtype.kind == "f":
            value = value.astype(numpy.float32)
        elif value.dtype != numpy.uint8:
            value = value.astype(numpy.int32)
        parent, name = path.rsplit("/", 1)
        self.group(parent).create_dataset(name, data=value, track_times=False)

    def double(self, path, value):
        """Keeps float64: for losses that were computed in float64."""
        parent, name = path.rsplit("/", 1)
        value = numpy.asarray(value, dtype=numpy.float64)
        self.group(parent).create_dataset(name, data=value, track_times=False)


class Source:
    """Random values for one case, seeded by its name, so that adding a case changes no other."""

    def __init__(self, name):
        self.generator = numpy.random.Generator(numpy.random.PCG64(zlib.crc32(name.encode())))

    def normal(self, *shape, scale=1.0, shift=0.0):
        return float32(self.generator.standard_normal(shape) * scale + shift)

    def uniform(self, *shape, low, high):
        return float32(self.generator.uniform(low, high, shape))

    def away_from_zero(self, *shape):
        """Magnitudes from 0.5 to 2 with either sign: safe divisors."""
        magnitude = self.generator.uniform(0.5, 2.0, shape)
        sign = numpy.where(self.generator.uniform(size=shape) < 0.5, -1.0, 1.0)
        return float32(magnitude * sign)

    def integers(self, *shape, below):
        return numpy.asarray(self.generator.integers(0, below, shape), dtype=numpy.int32)


def float32(value):
    return numpy.asarray(value, dtype=numpy.float32)


def exact(value, dtype=torch.float64):
    """A tensor holding exactly the given float32 (or int32) values; integers become int64."""
    value = torch.from_numpy(numpy.array(value))
    return value.to(dtype) if value.is_floating_point() else value.long()


def bfloat16(value):
    """The nearest bfloat16 numbers, as float32; integers as they are."""
    value = numpy.asarray(value)
    return torch.from_numpy(value).bfloat16().float().numpy() if value.dtype.kind == "f" else value


def magnitude(value, single, cancellation=2 ** 20):
    """What an error of `value` is to be measured against, given the same computed in float32.

    The largest absolute value; but where terms cancel, as in the gradient of a normalization over two values, `cancellation` times
    float32's own error: with 2^20 a tolerance of 1e-5 allows ten times that error. bfloat16 rounds 2^16 times as coarsely; with 2^22
    and a tolerance of 3 * 2^-8 less than that is allowed. Where both vanish, 1.
    """
    if value.numel() == 0:
        return 1.0
    largest = value.detach().abs().max().item()
    error = (value.detach() - single.detach().double()).abs().max().item()
    result = max(largest, error * cancellation)
    return float(f"{result:.3g}") if result > 1e-6 else 1.0


def images_first(x):
    """[N, H, W, C] → [N, C, H, W]."""
    return x.permute(0, 3, 1, 2)


def images_last(x):
    """[N, C, H, W] → [N, H, W, C]."""
    return x.permute(0, 2, 3, 1)
