"""Writes Tests/Fixtures/metric_learning.json: the losses of embeddings from their papers with PyTorch's gradients, mined triplets, scikit-learn's measures of
pairs and nearest neighbours, few-shot episodes, and ten training losses of a triplet network and of SimCLR, for Tests/TrainingTests/MetricLearningTests.swift
and Tests/ModelsTests/MetricLearningLossTests.swift. Reads training_lenet5.h5 and training_batches.h5."""
import itertools
import json
import pathlib

import h5py
import numpy
import torch
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from models import LeNet5
from philox import Draws

FIXTURES = pathlib.Path(__file__).parent.parent / "Fixtures"
random = numpy.random.default_rng(18)


def numbers(array):
    return numpy.asarray(array, dtype=float).reshape(-1).tolist()


def normalized(z):
    return z / (z.square().sum(1, keepdim=True) + 1e-12).sqrt()


def squared_distances(z):
    return (z[:, None] - z[None]).square().sum(-1)


def triplets(labels, distances, margin):
    """All triplets (anchor, positive, negative) with their category."""
    found = []
    for a, p, n in itertools.product(range(len(labels)), repeat=3):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            near, far = distances[a, p].item(), distances[a, n].item()
            found.append((a, p, n, "hard" if far <= near else "easy" if far >= near + margin else "semi_hard"))
    return found


def mined(labels, distances, margin, mining):
    found = triplets(labels, distances, margin)
    if mining == "all":
        return [t[:3] for t in found]
    if mining != "batch_hard":
        return [t[:3] for t in found if t[3] == mining]
    chosen = []
    for anchor in sorted({t[0] for t in found}):
        own = [t for t in found if t[0] == anchor]
        positive = max((t[1] for t in own), key=lambda i: distances[anchor, i].item())
        negative = min((t[2] for t in own), key=lambda i: distances[anchor, i].item())
        chosen.append((anchor, positive, negative))
    return chosen


def terms(loss, z, labels, margin=0.2, mining="all", temperature=1.0):
    """What the loss is the mean of, in one shard."""
    count = len(labels)
    if loss == "contrastive":  # Hadsell, Chopra and LeCun 2006, equation 4
        found = []
        for i, j in itertools.permutations(range(count), 2):
            d2 = (z[i] - z[j]).square().sum()
            found.append(0.5 * d2 if labels[i] == labels[j] else 0.5 * torch.clamp(margin - d2.sqrt(), min=0).square())
        return found
    if loss == "triplet":  # Schroff, Kalenichenko and Philbin 2015, equation 2
        d2 = squared_distances(z)
        return [torch.clamp(d2[a, p] - d2[a, n] + margin, min=0) for a, p, n in mined(labels, d2, margin, mining)]
    if loss == "n_pair":  # Sohn 2016, equation 7 (multi-class N-pair)
        anchors, positives = [], []
        for label in dict.fromkeys(labels):
            places = [i for i in range(count) if labels[i] == label]
            anchors.append(places[0])
            positives.append(places[1] if len(places) > 1 else None)
        found = []
        for a, p in zip(anchors, positives):
            if p is not None:
                others = [q for q in positives if q is not None and q != p]
                found.append(torch.log1p(sum(torch.exp((z[a] @ z[q] - z[a] @ z[p]) / temperature) for q in others)))
        return found
    found = []
    for i in range(count):
        # Khosla et al. 2020, equation 2; Chen et al. 2020, equation 1, whose one positive is the other view.
        partners = [j for j in range(count) if j != i and labels[j] == labels[i]] if loss == "supcon" else [i ^ 1]
        others = sum(torch.exp(z[i] @ z[j] / temperature) for j in range(count) if j != i)
        if partners:
            found.append(-sum(torch.log(torch.exp(z[i] @ z[p] / temperature) / others) for p in partners) / len(partners))
    return found


def mean_loss(shards, x, labels, normalize, **options):
    """Over all terms of all shards."""
    found, size = [], len(labels) // shards
    for shard in range(shards):
        part = slice(shard * size, (shard + 1) * size)
        found += terms(z=normalized(x[part]) if normalize else x[part], labels=labels[part], **options)
    return torch.stack(found).mean() if found else 0 * x.sum()


settings = [{"loss": "contrastive", "margin": 1.0}, {"loss": "n_pair", "temperature": 1.0}, {"loss": "supcon", "temperature": 0.1}, {"loss": "simclr", "temperature": 0.5}]
settings += [{"loss": "triplet", "margin": 0.2, "mining": mining} for mining in ["all", "easy", "semi_hard", "hard", "batch_hard"]]
cases = []
for setting, normalize, shards in itertools.product(settings, [True, False], [1, 2]):
    count, length = 8 * shards, 5
    # A class of three, two of two, and one alone, in each shard; for simclr labels do not count.
    labels = [label for _ in range(shards) for label in random.permutation([0, 0, 0, 1, 1, 3, 3, 2]).tolist()]
    embeddings = random.normal(0, 0.7, (count, length)).astype(numpy.float32)
    x = torch.tensor(embeddings, dtype=torch.float64, requires_grad=True)
    value = mean_loss(shards, x, labels, normalize, **setting)
    gradient, = torch.autograd.grad(value, x)
    case = {"shards": shards, "labels": labels, "embeddings": numbers(embeddings), "normalize": normalize, "value": value.item(), "gradient": numbers(gradient), **setting}
    if setting["loss"] == "triplet":
        z, size = normalized(x) if normalize else x, len(labels) // shards
        parts = [slice(shard * size, (shard + 1) * size) for shard in range(shards)]
        found = [t for part in parts for t in triplets(labels[part], squared_distances(z[part]), 0.2)]
        case["shares"] = [sum(t[3] == category for t in found) / len(found) for category in ["easy", "semi_hard", "hard"]]
        case["mined"] = sorted([i + part.start for i in t] for part in parts for t in mined(labels[part], squared_distances(z[part]), 0.2, setting["mining"]))
    cases.append(case)


def integer_below(draws, count):
    return draws.between(0, count - 1)


def episodes(embeddings, labels, classes, ways, shots, queries, count, classifier):
    """The accuracy over episodes, drawn as the program draws them."""
    hits = 0
    for episode in range(count):
        draws = Draws("few-shot episodes", 0, episode)

        def draw(wanted, items):
            for place in range(wanted):
                other = place + integer_below(draws, len(items) - place)
                items[place], items[other] = items[other], items[place]
            return items[:wanted]

        members = [[row for row, label in enumerate(labels) if label == c] for c in classes]
        drawn = draw(ways, [m for m in members if len(m) >= shots + queries])
        # Copies are shuffled one after another, as their class was drawn.
        drawn = [draw(shots + queries, list(m)) for m in drawn]
        if classifier == "prototypes":
            examples, owners = [embeddings[rows[:shots]].mean(0) for rows in drawn], list(range(ways))
        else:
            examples, owners = [embeddings[row] for rows in drawn for row in rows[:shots]], [way for way in range(ways) for _ in range(shots)]
        for way, rows in enumerate(drawn):
            for row in rows[shots:]:
                distances = [((embeddings[row] - example) ** 2).sum() for example in examples]
                hits += owners[int(numpy.argmin(distances))] == way
    return hits / (count * ways * queries)


def measures(count, length, classes, spread):
    labels = random.integers(0, classes, count)
    centres = random.normal(0, 1, (classes, length))
    embeddings = (centres[labels] + random.normal(0, spread, (count, length))).astype(numpy.float32)
    z = embeddings.astype(float)
    first, second = numpy.triu_indices(count, 1)
    same, scores = labels[first] == labels[second], -((z[first] - z[second]) ** 2).sum(1)
    false_rate, true_rate, thresholds = roc_curve(same, scores, drop_intermediate=False)
    best = numpy.argmax(true_rate - false_rate)
    nearest = NearestNeighbors(n_neighbors=11).fit(z).kneighbors(z)[1]
    nearest = [[j for j in row if j != i][:10] for i, row in enumerate(nearest)]
    recall = [float(numpy.mean([any(labels[j] == labels[i] for j in row[:k]) for i, row in enumerate(nearest)])) for k in (1, 5, 10)]
    few = {c: episodes(z, labels, range(1, classes), 3, 2, 4, 60, c) for c in ("prototypes", "nearest")}
    return {
        "length": length, "classes": classes, "embeddings": numbers(embeddings), "labels": labels.tolist(), "area": float(roc_auc_score(same, scores)),
        "accuracy": float(numpy.max((true_rate + 1 - false_rate) / 2)), "threshold": float(numpy.sqrt(-thresholds[best])),
        "curve": [float(true_rate[false_rate <= k / 100 + 1e-12].max()) for k in range(101)], "recall": recall, "few_shot": few,
        "variance": float(z.var(0).sum() / (z ** 2).sum(1).mean()),
    }


def trained(dtype=torch.float64, **options):
    """Ten losses of LeNet-5 with SGD, from the weights and batches of the training fixtures; a batch is two shards of 8 images."""
    with h5py.File(FIXTURES / "training_lenet5.h5") as file, h5py.File(FIXTURES / "training_batches.h5") as shared:
        model = LeNet5().to(dtype)
        state = {}
        file["initial_parameters"].visititems(lambda name, node: state.update({name: torch.tensor(node[()].astype(float)).to(dtype)}) if isinstance(node, h5py.Dataset) else None)
        model.load_state_dict({name.replace("/", "."): value for name, value in state.items()})
        images, labels = shared["images"][()].astype(numpy.float32) / numpy.float32(255), shared["labels"][()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for image, label in zip(images, labels):
        loss = mean_loss(2, model(torch.tensor(image).to(dtype)), label.tolist(), True, **options)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def training(**options):
    return {"losses": trained(**options), "losses_float32": trained(torch.float32, **options), **options}


fixture = {
    "losses": cases, "measures": [measures(60, 4, 5, 0.6), measures(90, 9, 7, 1.2)],
    "trainings": [training(loss="triplet", mining="all", margin=0.2), training(loss="triplet", mining="semi_hard", margin=0.2), training(loss="simclr", temperature=0.5)],
}
(FIXTURES / "metric_learning.json").write_text(json.dumps(fixture) + "\n")
for case in fixture["trainings"]:
    error = max(abs(a - b) / b for a, b in zip(case["losses_float32"], case["losses"]))
    print(case["loss"], [round(loss, 4) for loss in case["losses"]], f"float32 against float64 within {error:.1e}")
