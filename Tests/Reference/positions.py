"""Writes Fixtures/positions.h5: where tokens are, as timm, MAE, big_vision and NaViT tell them.

    python positions.py            # in an environment with torch 2.13.0 and timm 1.0.31

Grids are [rows, columns], row by row; nothing stands for prefix tokens.
"""

import math

import numpy
import torch
from fixtures import FixtureFile, Source
from vision_libraries import timm


def mae(rows, columns, width):
    """MAE's util/pos_embed.py as its paper's code has it: the column's sines and cosines, then the row's."""
    omega = 1 / 10000 ** (numpy.arange(width // 4) / (width / 4))
    row, column = [axis.ravel()[:, None] * omega for axis in numpy.mgrid[:rows, :columns].astype(float)]
    return numpy.concatenate([numpy.sin(column), numpy.cos(column), numpy.sin(row), numpy.cos(row)], 1)


def big_vision(rows, columns, width):
    """big_vision's posemb_sincos_2d, whose last frequency is 1/10000 itself."""
    omega = 1 / 10000 ** (numpy.arange(width // 4) / (width // 4 - 1))
    y, x = [axis.ravel()[:, None] * omega for axis in numpy.mgrid[:rows, :columns].astype(float)]
    return numpy.concatenate([numpy.sin(x), numpy.cos(x), numpy.sin(y), numpy.cos(y)], 1)


def timm_as_mae(rows, columns, width):
    """timm's has MAE's numbers in another order: the sines of row and column, then the cosines."""
    quarters = timm.layers.build_sincos2d_pos_embed([rows, columns], dim=width).reshape(rows * columns, 4, width // 4)
    return quarters[:, [1, 3, 0, 2]].reshape(rows * columns, width).numpy()


def rotated(x, rows, columns):
    """[1, N, H, d] as timm's EVA turns queries and keys."""
    embedding = torch.cat(timm.layers.build_rotary_pos_embed([rows, columns], dim=x.shape[-1], in_pixels=False), -1)
    return timm.layers.apply_rot_embed_cat(torch.from_numpy(x).transpose(1, 2), embedding).transpose(1, 2)


def relative(table, rows, columns):
    """[1, H, N, N] as timm's Swin has it."""
    bias = timm.layers.RelPosBias((rows, columns), table.shape[1])
    with torch.no_grad():
        bias.relative_position_bias_table.copy_(torch.from_numpy(table))
    return bias.get_bias()


def factorized(row_table, column_table):
    """NaViT, section 2.1: φ_x + φ_y of absolute indices."""
    return (row_table[:, None] + column_table[None]).reshape(-1, row_table.shape[1])


def coordinates(rows, columns, first, second):
    """A perceptron with exact GELU of the patches' centres in an image that reaches from -1 to 1."""
    y, x = [(2 * axis.ravel() + 1) / count - 1 for axis, count in zip(numpy.mgrid[:rows, :columns].astype(float), (rows, columns))]
    hidden = numpy.stack([x, y], 1) @ first["weight"].T + first["bias"]
    hidden = hidden * 0.5 * (1 + numpy.vectorize(math.erf)(hidden / math.sqrt(2)))
    return hidden @ second["weight"].T + second["bias"]


if __name__ == "__main__":
    with FixtureFile("positions.h5") as file:
        for rows, columns, width in [(3, 5, 16), (7, 7, 24), (1, 4, 8)]:
            path, source = f"/{rows}x{columns}", Source(f"positions {rows} {columns}")
            file.group(path, rows=rows, columns=columns, width=width)
            assert numpy.abs(timm_as_mae(rows, columns, width) - mae(rows, columns, width)).max() < 2e-6
            file.array(f"{path}/sincos_mae", mae(rows, columns, width))
            file.array(f"{path}/sincos", big_vision(rows, columns, width))
            queries, table = source.normal(1, rows * columns, 2, width), source.normal((2 * rows - 1) * (2 * columns - 1), 3)
            file.array(f"{path}/rotary/x", queries)
            file.array(f"{path}/rotary/turned", rotated(queries, rows, columns))
            file.array(f"{path}/relative/table", table)
            file.array(f"{path}/relative/bias", relative(table, rows, columns))
            tables = source.normal(rows, width), source.normal(columns, width)
            for name, table in zip(["rows", "columns"], tables):
                file.array(f"{path}/factorized/pos_embed_{name}", table)
            file.array(f"{path}/factorized_sum", factorized(*[table.astype(float) for table in tables]))
            layers = [{"weight": source.normal(width, inputs), "bias": source.normal(width)} for inputs in (2, width)]
            for index, layer in enumerate(layers):
                for key, value in layer.items():
                    file.array(f"{path}/coordinates/pos_embed.fc{index + 1}.{key}", value)
            file.array(f"{path}/coordinates_vectors", coordinates(rows, columns, *[{k: v.astype(float) for k, v in layer.items()} for layer in layers]))
