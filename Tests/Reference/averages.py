"""Averages of the weights of a small residual network over 20 steps, by timm's ModelEmaV3 and PyTorch's AveragedModel, SWALR and update_bn.

Writes Tests/Fixtures/averages.h5. The batches are those of training_batches.h5, twice: four epochs of five steps.
"""

import copy

import numpy
import torch
import torch.nn.functional as F
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn

import vision_libraries
from fixtures import FixtureFile, Source
from models import CIFARResNet, randomize
from timm.utils import ModelEmaV3
from training import batches

STEPS, EPOCH = 20, 5
NETWORK = {"depth": 8, "width": 4}
SGD = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0}
MOVING = {
    "ema": {"decay": 0.9},
    "ema_warmup": {"decay": 0.9, "use_warmup": True, "warmup_power": 0.75},
    "ema_copy": {"decay": 0.9, "exclude_buffers": True},
}
EQUAL = {"start_epoch": 2, "learning_rate": 0.01, "anneal_epochs": 2}


def store(file, group, model):
    for key, parameter in model.named_parameters():
        file.array(f"{group}/parameters/{key}", parameter)
    for key, buffer in model.named_buffers():
        if buffer.ndim:
            file.array(f"{group}/buffers/{key}", buffer)


def train(model, images, labels, annealing=None, averages=()):
    """Trains in place; returns the losses, the learning rates and, where the rate is annealed, the model averaged over epochs."""
    optimizer = torch.optim.SGD(model.parameters(), lr=SGD["learning_rate"], momentum=SGD["momentum"])
    losses, rates, equal, schedule = [], [], None, None
    first = (EQUAL["start_epoch"] - 1) * EPOCH
    for step in range(STEPS):
        if annealing and step == first:
            schedule = SWALR(optimizer, EQUAL["learning_rate"], EQUAL["anneal_epochs"] * EPOCH, annealing)
            equal = AveragedModel(model)
        loss = F.cross_entropy(model(images[step % 10]), labels[step % 10])
        optimizer.zero_grad()
        loss.backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        losses.append(loss.item())
        for average in averages:
            average.update(model, step=step + 1)
        if schedule:
            schedule.step()
        if equal and (step + 1) % EPOCH == 0:
            equal.update_parameters(model)
    return losses, rates, equal


def main():
    images, labels = batches()
    images = torch.from_numpy(images.astype(numpy.float32) / numpy.float32(255)).double()
    labels = torch.from_numpy(labels)
    initial = CIFARResNet(**NETWORK)
    randomize(initial, Source("averages"))
    with FixtureFile("averages.h5") as file:
        file.group("/initial", attributes={**NETWORK, **SGD})
        store(file, "/initial", initial)
        initial = initial.double().train()

        model = copy.deepcopy(initial)
        moving = {name: ModelEmaV3(model, **options) for name, options in MOVING.items()}
        losses, _, _ = train(model, images, labels, averages=moving.values())
        file.double("/moving/losses", losses)
        for name, average in moving.items():
            file.group(f"/{name}", attributes=MOVING[name])
            store(file, f"/{name}", average.module)

        for annealing in ["linear", "cos"]:
            model = copy.deepcopy(initial)
            losses, rates, average = train(model, images, labels, annealing)
            file.double(f"/{annealing}/learning_rates", rates)
        # The batches of the last epoch again, with the averaged weights.
        update_bn([images[step % 10] for step in range(STEPS - EPOCH, STEPS)], average)
        file.double("/equal/losses", losses)
        file.group("/swa", attributes=EQUAL)
        store(file, "/swa", average.module)


if __name__ == "__main__":
    main()
