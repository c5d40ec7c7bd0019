#!/usr/bin/env python3
"""Writes Tests/Fixtures/image_files.h5: small image files of every kind, and what Pillow makes of them.

    Tests/Reference/image_files.py          # needs Pillow, NumPy and h5py

/files/NAME         the file's bytes (uint8), with the attributes
/pixels/NAME        what Pillow decodes, upright, [height, width, channels]; 16-bit samples as uint16
/resampled/CASE     a picture brought to another size: the dataset, with the attributes source, box (left, top, right, bottom) and filter
/shorter/CASE       torchvision's Resize(n) and CenterCrop(n): attribute source
"""

import io
import pathlib

import h5py
import numpy as np
from PIL import Image, ImageOps

RANDOM = np.random.default_rng(14)


def picture(height, width, channels):
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([127 + 100 * np.sin(x / (5 + 3 * k) + y / (7 + k)) for k in range(channels)], -1)
    return (waves + RANDOM.normal(0, 10, waves.shape)).clip(0, 255).astype(np.uint8)


def encoded(image, kind, **words):
    file = io.BytesIO()
    image.save(file, kind, **words)
    return file.getvalue()


def over_white(image):
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image.convert("RGBA"))


def reopened(data):
    return Image.open(io.BytesIO(data))


def cases():
    """Name, bytes, pixels."""
    rgb, gray = Image.fromarray(picture(19, 27, 3)), Image.fromarray(picture(19, 27, 1)[..., 0])
    for name, words in [("baseline", {}), ("progressive", {"progressive": True}), ("full_chroma", {"subsampling": 0}), ("coarse", {"quality": 20})]:
        data = encoded(rgb, "JPEG", **words)
        yield f"jpeg_{name}", data, reopened(data)
    data = encoded(gray, "JPEG")
    yield "jpeg_gray", data, reopened(data)
    data = encoded(rgb.convert("CMYK"), "JPEG")
    yield "jpeg_cmyk", data, reopened(data).convert("RGB")
    for mode, name in [("1", "1bit"), ("L", "gray"), ("P", "palette"), ("RGB", "rgb")]:
        data = encoded(rgb.convert(mode), "PNG")
        yield f"png_{name}", data, reopened(data).convert({"1": "L", "P": "RGB"}.get(mode, mode))
    deep = np.asarray(gray).astype(np.uint16) * 257 + 3
    yield "png_16bit", encoded(Image.fromarray(deep), "PNG"), deep
    # Pillow writes no interlaced files and no colours of 16 bits.
    yield "png_palette_4bit", encoded(rgb.quantize(12), "PNG", bits=4), reopened(encoded(rgb.quantize(12), "PNG", bits=4)).convert("RGB")
    alpha = Image.fromarray(picture(19, 27, 4), "RGBA")
    yield "png_alpha", encoded(alpha, "PNG"), over_white(alpha).convert("RGB")
    gray_alpha = Image.fromarray(picture(19, 27, 2), "LA")
    yield "png_gray_alpha", encoded(gray_alpha, "PNG"), over_white(gray_alpha).convert("L")
    clear = rgb.quantize(16)
    data = encoded(clear, "PNG", transparency=3)
    yield "png_transparent_colour", data, over_white(reopened(data)).convert("RGB")
    for name, words in [("lossy", {}), ("lossless", {"lossless": True})]:
        data = encoded(rgb, "WEBP", **words)
        yield f"webp_{name}", data, reopened(data)
    data = encoded(alpha, "WEBP", lossless=True)
    yield "webp_alpha", data, over_white(reopened(data)).convert("RGB")
    # A bar at the left, which orientation 6 puts to the top.
    bar = np.zeros((12, 20, 3), np.uint8)
    bar[:, :4] = 255
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind, words in [("jpeg", {"quality": 95}), ("png", {}), ("webp", {"lossless": True})]:
            data = encoded(Image.fromarray(bar), kind.upper(), exif=exif.tobytes(), **words)
            yield f"exif_{orientation}_{kind}", data, ImageOps.exif_transpose(reopened(data))


def main():
    with h5py.File(pathlib.Path(__file__).resolve().parent.parent / "Fixtures/image_files.h5", "w") as file:
        for name, data, pixels in cases():
            pixels = np.asarray(pixels)
            file[f"files/{name}"] = np.frombuffer(data, np.uint8)
            file.create_dataset(f"pixels/{name}", data=pixels[..., None] if pixels.ndim == 2 else pixels, compression="gzip")
        for channels in (1, 3):
            source = picture(61, 83, channels)
            file.create_dataset(f"sources/{channels}", data=source, compression="gzip")
            image = Image.fromarray(source[..., 0] if channels == 1 else source)
            for name, kind in [("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)]:
                for number, (width, height, box) in enumerate([(28, 28, (0, 0, 83, 61)), (120, 90, (0, 0, 83, 61)), (10, 40, (5, 7, 70, 55)), (1, 1, (0, 0, 83, 61))]):
                    result = np.asarray(image.crop(box).resize((width, height), kind)).reshape(height, width, channels)
                    dataset = file.create_dataset(f"resampled/{name}_{channels}_{number}", data=result, compression="gzip")
                    dataset.attrs["box"] = np.array(box, np.int32)
                    dataset.attrs["filter"] = name
                    dataset.attrs["channels"] = np.int32(channels)
                # torchvision: the longer side is cut to an integer, and the middle begins at a rounded half.
                for size in (28, 61, 90):
                    longer = int(size * 83 / 61)
                    scaled, left = image.resize((longer, size), kind), int(round((longer - size) / 2))
                    result = np.asarray(scaled.crop((left, 0, left + size, size))).reshape(size, size, channels)
                    dataset = file.create_dataset(f"shorter/{name}_{channels}_{size}", data=result, compression="gzip")
                    dataset.attrs["filter"] = name
                    dataset.attrs["channels"] = np.int32(channels)


if __name__ == "__main__":
    main()
