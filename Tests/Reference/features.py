"""Writes Tests/Fixtures/features.json: histograms of oriented gradients, Canny's edges and Sobel's by scikit-image, and k-means by scikit-learn, for
Tests/ModelsTests/FixedFeatureTests.swift."""
import json
import pathlib

import numpy
from scipy import ndimage
from skimage.feature import canny, hog
from skimage.filters import prewitt, sobel
from sklearn.cluster import KMeans

random = numpy.random.default_rng(18)


def numbers(array):
    return numpy.asarray(array, dtype=float).reshape(-1).tolist()


def image(height, width, channels):
    """Smooth blobs with some noise, in thousandths, so that bytes of the file are few and float32 has the same numbers."""
    rows, columns = numpy.mgrid[:height, :width]
    result = numpy.zeros((height, width, channels))
    for channel in range(channels):
        for _ in range(5):
            y, x, r = random.uniform(0, height), random.uniform(0, width), random.uniform(2, height / 3)
            result[..., channel] += random.uniform(-1, 1) * (((rows - y) ** 2 + (columns - x) ** 2) < r * r)
    result += random.normal(0, 0.03, result.shape)
    return numpy.round(result, 3).astype(numpy.float32).astype(float)


histograms = []
for height, width, channels, orientations, cell, block in [(28, 28, 1, 9, 7, 2), (20, 24, 3, 8, 5, 1), (17, 19, 1, 6, 4, 3), (16, 16, 1, 9, 8, 2)]:
    x = image(height, width, channels)
    features = hog(
        x if channels > 1 else x[..., 0], orientations, (cell, cell), (block, block), block_norm="L2-Hys", channel_axis=-1 if channels > 1 else None)
    histograms.append({
        "height": height, "width": width, "channels": channels, "orientations": orientations, "cell": cell, "block": block, "image": numbers(x),
        "features": numbers(numpy.round(features, 9))})

edges = []
for height, width, sigma, low, high in [(28, 28, 1.0, 0.1, 0.2), (24, 31, 1.5, 0.15, 0.5), (16, 16, 0.7, 0.3, 1.2)]:
    x = image(height, width, 1)[..., 0]
    edges.append({
        "height": height, "width": width, "sigma": sigma, "low": low, "high": high, "image": numbers(x),
        "canny": canny(x, sigma=sigma, low_threshold=low, high_threshold=high, mode="constant").astype(int).reshape(-1).tolist(),
        "sobel": numbers(numpy.round(sobel(x), 9)), "prewitt": numbers(numpy.round(prewitt(x), 9))})

clusters = []
for count, length, number in [(60, 3, 4), (100, 10, 7)]:
    points = numpy.round(random.normal(0, 1, (count, length)), 3).astype(numpy.float32).astype(float)
    start = points[:number]
    found = KMeans(number, init=start, n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(points)
    clusters.append({"length": length, "points": numbers(points), "start": numbers(start), "centres": numbers(found.cluster_centers_)})

x, mirrored = image(9, 11, 1)[..., 0], {"mode": "mirror"}
means = ndimage.uniform_filter(x, 3, **mirrored)


def smoothed(weights):
    return ndimage.correlate1d(ndimage.correlate1d(x, weights, 0, **mirrored), weights, 1, **mirrored)


answers = {
    "box": means, "gaussian": smoothed([0.25, 0.5, 0.25]), "gaussian_5": smoothed([1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]), "laplacian": ndimage.laplace(x, **mirrored),
    "sharpen": x - ndimage.laplace(x, **mirrored), "outline": 9 * (x - means), "sobel_horizontal": ndimage.sobel(x, 0, **mirrored),
    "sobel_vertical": ndimage.sobel(x, 1, **mirrored), "prewitt_horizontal": ndimage.prewitt(x, 0, **mirrored), "prewitt_vertical": ndimage.prewitt(x, 1, **mirrored)}
kernels = {"height": 9, "width": 11, "image": numbers(x), "answers": {name: numbers(numpy.round(answer, 9)) for name, answer in answers.items()}}

path = pathlib.Path(__file__).parent.parent / "Fixtures/features.json"
path.write_text(json.dumps({"histograms": histograms, "edges": edges, "clusters": clusters, "kernels": kernels}) + "\n")
