"""Writes Fixtures/long_attention.h5: attention over many tokens, and with biases and masks, by PyTorch in float64.

    python long_attention.py

Inputs come from one formula, `numbers`, which the test repeats; of the results only every `step`-th row of tokens is in the file.
"""

import numpy
import torch
import torch.nn.functional as F

from fixtures import FixtureFile


def numbers(seed, *shape):
    """Multiples of 1/64 from -2 up to but not 2, exact in bfloat16: the highest byte of a mixed place."""
    with numpy.errstate(over="ignore"):
        z = (numpy.arange(numpy.prod(shape), dtype=numpy.uint64) + numpy.uint64(1)) * numpy.uint64(0x9E3779B97F4A7C15)
        z += numpy.uint64(seed) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = z ^ (z >> numpy.uint64(27))
    return torch.from_numpy(((z >> numpy.uint64(56)).astype(numpy.float64) - 128).reshape(shape) / 64)


CASES = {  # batch, queries, keys, heads, width of queries and keys, of values; leading axes of bias and mask; step
    "tokens_1024": (1, 1024, 1024, 2, 16, 16, None, None, 64),
    "tokens_1030": (2, 1030, 1030, 1, 32, 32, None, None, 103),
    "queries_600_keys_1000": (1, 600, 1000, 2, 8, 20, None, None, 50),
    "tokens_520_bias_mask": (4, 520, 520, 2, 8, 8, (1, 2), (2, 1), 65),
    "windows_bias": (6, 9, 9, 2, 8, 8, (1, 2), None, 1),
    "windows_bias_mask": (6, 9, 9, 2, 8, 8, (1, 2), (3, 1), 1),
    "images_bias": (2, 5, 7, 3, 4, 9, (2, 1), None, 1),
}


def main():
    with FixtureFile("long_attention.h5") as file:
        for name, (batch, queries, keys, heads, width, value_width, bias_axes, mask_axes, step) in CASES.items():
            shapes = [(queries, width), (keys, width), (keys, value_width)]
            q, k, v = [numbers(seed, batch, count, heads, size).requires_grad_() for seed, (count, size) in enumerate(shapes, 1)]
            bias = numbers(4, *bias_axes, queries, keys).requires_grad_() if bias_axes else None
            # What is masked gets -100, as in Swin: numbers above 1.
            mask = torch.where(numbers(5, *mask_axes, queries, keys) > 1, -100.0, 0.0).double() if mask_axes else None
            terms = [term.repeat(batch // term.shape[0], 1, 1, 1) for term in (bias, mask) if term is not None]
            added = sum(terms) if terms else None
            y = F.scaled_dot_product_attention(*[x.transpose(1, 2) for x in (q, k, v)], attn_mask=added).transpose(1, 2)
            inputs = [q, k, v] + ([bias] if bias_axes else [])
            gradients = torch.autograd.grad(y, inputs, numbers(6, *y.shape))
            file.group(
                name, operation="attention", attributes={
                    "batch": batch, "queries": queries, "keys": keys, "heads": heads, "width": width, "value_width": value_width,
                    "bias": list(bias_axes or ()), "mask": list(mask_axes or ()), "step": step})
            file.array(f"{name}/outputs/0", y[:, ::step])
            for index, gradient in enumerate(gradients):
                file.array(f"{name}/gradients/{index}", gradient[:, :, ::step, ::step] if index == 3 else gradient[:, ::step])


if __name__ == "__main__":
    main()
