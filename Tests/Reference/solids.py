"""Prints the SHA-256 of some solids, as views and as voxels, and of some sequences with a motif, made here anew from the descriptions in
Sources/VisionData/Solids and Sources/VisionData/Sequences: what Tests/VisionDataTests/SolidTests.swift pins.

    python solids.py
"""
import hashlib

import numpy

from philox import Draws

SIDE, UNIT, BITS = 32, 256, 14
# round(16384 sin) of 0 to 90 degrees
SINES = [round(float(numpy.sin(numpy.radians(degrees, dtype=numpy.longdouble)) * 16384)) for degrees in range(91)]


def sine(degrees):
    turn = degrees % 360
    if turn >= 180:
        return -sine(turn - 180)
    return SINES[min(turn, 180 - turn)]


def rotation(axis, degrees):
    s, c = sine(degrees), sine(degrees + 90)
    matrix = numpy.zeros((3, 3), numpy.int64)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[axis, axis], matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = 1 << BITS, c, -s, s, c
    return matrix


def product(*matrices):
    result = matrices[0]
    for matrix in matrices[1:]:
        result = result @ matrix >> BITS
    return result


def inside(kind, a, b, c, share, u, v, w):
    s, t, r = abs(u) * 1024 // a, abs(v) * 1024 // b, abs(w) * 1024 // c
    height = numpy.maximum(b - v, 0) * 1024 // (2 * b)
    slab = abs(v) <= b
    box = slab & (abs(u) <= a) & (abs(w) <= c)
    if kind == 0:
        return box
    if kind == 1:
        return s * s + t * t + r * r <= 1024 ** 2
    if kind == 2:
        return slab & (s * s + r * r <= 1024 ** 2)
    if kind == 3:
        return slab & (s * s + r * r <= height * height)
    if kind == 4:
        p = a * share // 100
        q, squared = a - p, u * u + w * w
        return (squared + v * v + q * q - p * p) ** 2 <= 4 * q * q * squared
    if kind == 5:
        return slab & (s <= height) & (r <= height)
    if kind == 6:
        return box & ((u <= 2 * a * share // 100 - a) | (v <= 2 * b * share // 100 - b))
    return box & ((abs(u) <= a * share // 100) | (abs(v) <= b * share // 100))


def voxels(solid, turn, middle):
    """[z, y, x]"""
    centres = (2 * numpy.arange(SIDE, dtype=numpy.int64) + 1 - SIDE) * UNIT // 2
    z, y, x = numpy.meshgrid(centres - middle[2], centres - middle[1], centres - middle[0], indexing="ij")
    u, v, w = ((turn[0, k] * x + turn[1, k] * y + turn[2, k] * z) >> BITS for k in range(3))
    return inside(*solid, u, v, w)


def noisy(values, noise, draws):
    words = numpy.array([draws.word() for _ in range((values.size + 1) // 2)], numpy.int64)
    halves = numpy.stack([words & 65535, words >> 16], 1).ravel()[:values.size].reshape(values.shape)
    change = ((halves & 255) + (halves >> 8) - 255) * noise
    return numpy.clip(values + numpy.sign(change) * (abs(change) // 255), 0, 255)


def shape(form, views, upright, noise, number, time):
    draws = Draws("solids", time, number)
    kind = draws.between(0, 7)
    half = [draws.between(4 * UNIT, 8 * UNIT) for _ in range(3)]
    share = draws.between(*{4: (22, 36), 6: (30, 45), 7: (25, 40)}[kind]) if kind in (4, 6, 7) else 0
    angles = [0, draws.between(0, 359), 0] if upright else [draws.between(0, 359) for _ in range(3)]
    turn = product(*(rotation(axis, angles[axis]) for axis in (2, 1, 0)))
    middle = numpy.array([draws.between(-2 * UNIT, 2 * UNIT) for _ in range(3)])
    solid = (kind, *half, share)
    if form == "voxels":
        image = voxels(solid, turn, middle).transpose(1, 2, 0) * 255
    else:
        pictures = []
        for view in range(views):
            camera = product(rotation(0, 30), rotation(1, 30 * (12 * view // views)))
            filled = voxels(solid, product(camera, turn), camera @ middle >> BITS)
            pictures.append(numpy.where(filled.any(0), 255 - 6 * filled.argmax(0), 0))
        image = numpy.stack(pictures, -1)
    return noisy(image, noise, Draws("solid noise", time, number)), kind


def sequence(motif, length, noise, number, time):
    draws, bits = Draws("sequences", time, number), []
    label = draws.between(0, 1)
    for _ in range(length):
        bits.append(draws.between(0, 1))
        if bits[-len(motif):] == motif:
            bits[-1] = 1 - bits[-1]
    if label:
        start = draws.between(0, length - len(motif))
        bits[start:start + len(motif)] = motif
    mask = [int(bits[max(0, place + 1 - len(motif)):place + 1] == motif) for place in range(length)]
    return noisy(255 * numpy.array(bits)[None, :, None], noise, Draws("sequence noise", time, number)), label, mask


def digest(header, samples, masks=()):
    result = hashlib.sha256(numpy.array(header, "<i8").tobytes())
    result.update(numpy.array([sample[0] for sample in samples], numpy.uint8).tobytes())
    result.update(numpy.array([sample[1] for sample in samples], "<i4").tobytes())
    if masks:
        result.update(b"masks\n" + numpy.array(masks, numpy.uint8).tobytes())
    return result.hexdigest()


def numbers(counts):
    return [(number, time) for time, count in enumerate(counts) for number in range(count)]


for form, views, upright, noise in (("views", 12, False, 16), ("views", 3, True, 0), ("voxels", 32, False, 16)):
    print(form, views, digest([32, 32, views, 8, 14, 0, 5, 255], [shape(form, views, upright, noise, *place) for place in numbers((14, 5))]))
for motif, length, noise in ("1011", 32, 64), ("0110100", 21, 0):
    made = [sequence([int(bit) for bit in motif], length, noise, *place) for place in numbers((30, 11))]
    print(motif, digest([1, length, 1, 2, 30, 0, 11, 255], made, [mask for *_, mask in made]))
