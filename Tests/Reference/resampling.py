"""Prints the expected images of Tests/VisionDataTests/AugmentationTests.swift: forward matrices, inverted, bilinear, black outside."""
import numpy as np

H, W, C = 5, 4, 2
image = np.array([(i * i * i + 5 * i) % 37 / 4 for i in range(H * W * C)]).reshape(H, W, C)
cx, cy = (W - 1) / 2, (H - 1) / 2


def rotation(degrees):  # counter-clockwise on a screen, y down
    t = np.radians(degrees)
    return np.array([[np.cos(t), np.sin(t), 0], [-np.sin(t), np.cos(t), 0], [0, 0, 1]])


def shear(degrees):
    return np.array([[1, np.tan(np.radians(degrees)), 0], [0, 1, 0], [0, 0, 1]])


def zoom(factor):
    return np.diag([factor, factor, 1])


def shift(x, y):
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def flip():
    return np.diag([-1, 1, 1])


def apply(*steps):
    forward = np.eye(3)
    for step in steps:
        forward = step @ forward
    inverse = np.linalg.inv(forward)
    result = np.zeros_like(image)
    for y in range(H):
        for x in range(W):
            sx, sy, _ = inverse @ [x - cx, y - cy, 1]
            sx, sy = sx + cx, sy + cy
            for qy in range(H):
                for qx in range(W):
                    weight = max(0, 1 - abs(sx - qx)) * max(0, 1 - abs(sy - qy))
                    result[y, x] += weight * image[qy, qx]
    return result


cases = {
    "rotation": [rotation(30)],
    "shear": [shear(20)],
    "zoom in": [zoom(1.25)],
    "zoom out": [zoom(0.6)],
    "all": [shift(1, -1), flip(), rotation(-17), shear(8), zoom(1.1)],
}
for name, steps in cases.items():
    print(name)
    print("[" + ", ".join(f"{v:.6g}" for v in apply(*steps).ravel()) + "]")
