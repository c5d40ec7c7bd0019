"""What small networks look at: Grad-CAM, integrated gradients, attention rollout and distance, similar positions, principal components.

Writes Tests/Fixtures/network_views.h5. PyTorch computes in float64 with autograd; the formulas are a few lines of the papers' own. Principal components
are scikit-learn's.
"""

import numpy
import torch
from sklearn.decomposition import PCA
from torch import nn

from fixtures import FixtureFile, Source, exact
from models import CIFARResNet, VisionTransformer, randomize

SIZE, CLASSES, IMAGES, STEPS = 16, 5, 3, 64
RESNET = {"depth": 8, "width": 4, "channels": 1, "classes": CLASSES, "option": "A"}
VIT = {"size": SIZE, "patch": 4, "width": 16, "depth": 3, "heads": 2, "channels": 1, "classes": CLASSES}


def watched(model, module, image):
    """Logits and what `module` gives, whose gradient is kept."""
    kept = {}
    handle = module.register_forward_hook(lambda *arguments: kept.update(value=arguments[2]))
    logits = model(image)
    handle.remove()
    kept["value"].retain_grad()
    return logits, kept["value"]


def grad_cam(model, module, image, label, is_tokens=False):
    """ReLU(Σ_k α_k A_k), α_k the mean gradient of the class's logit over the cells of channel k; [h, w] or [N]."""
    logits, features = watched(model, module, image)
    model.zero_grad()
    logits[0, label].backward()
    if is_tokens:  # [1, 1 + N, D], the class token first
        values, gradients = features[0, 1:].T, features.grad[0, 1:].T
    else:  # [1, C, h, w]
        values, gradients = features[0].flatten(1), features.grad[0].flatten(1)
    return torch.relu((gradients.mean(1, keepdim=True) * values).sum(0))


def integrated_gradients(model, image, label):
    """Against an image of zeros, at the middles of equal parts; [h, w]."""
    total = torch.zeros_like(image)
    for step in range(STEPS):
        point = (image * ((step + 0.5) / STEPS)).requires_grad_()
        model(point)[0, label].backward()
        total += point.grad
    return (image * total / STEPS)[0, :, :, 0].detach()


def probabilities(model, image):
    """Of each block [H, N, N]."""
    found = []

    def look(module, arguments, output):
        x = arguments[0]
        batch, tokens, width = x.shape
        query, key, _ = module.qkv(x).reshape(batch, tokens, 3, module.heads, width // module.heads).permute(2, 0, 3, 1, 4)
        found.append((query @ key.transpose(-1, -2) / (width // module.heads) ** 0.5).softmax(-1)[0].detach())

    handles = [block.attn.register_forward_hook(look) for block in model.blocks]
    model(image)
    for handle in handles:
        handle.remove()
    return found


def rollout(layers):
    """Abnar and Zuidema 2020, [N, N]."""
    joint = torch.eye(layers[0].shape[-1], dtype=layers[0].dtype)
    for layer in layers:
        mixed = layer.mean(0) / 2 + torch.eye(layer.shape[-1], dtype=layer.dtype) / 2
        joint = mixed / mixed.sum(-1, keepdim=True) @ joint
    return joint


def distances(layers, patch):
    """By layer and head in pixels, over patches alone."""
    side = SIZE // patch
    places = numpy.stack(numpy.mgrid[:side, :side], -1).reshape(-1, 2) * patch
    far = numpy.linalg.norm(places[:, None] - places[None], axis=-1)
    result = []
    for layer in layers:
        shares = layer[:, 1:, 1:].numpy()
        shares = shares / shares.sum(-1, keepdims=True)
        result.append((shares * far).sum(-1).mean(-1))
    return numpy.array(result)


def make(name, network, arguments):
    source = Source(name)
    model = network(**arguments)
    randomize(model, source)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.from_numpy(source.normal(len(module.running_mean), scale=0.3)))
            module.running_var.copy_(torch.from_numpy(source.uniform(len(module.running_var), low=0.5, high=2)))
    # Where ReLU works in place, autograd still has what it needs.
    model = model.double().eval()
    images = source.normal(IMAGES, SIZE, SIZE, 1)
    return model, images


def store(file, name, model, images):
    for key, parameter in model.named_parameters():
        file.array(f"{name}/parameters/{key}", parameter)
    for key, buffer in model.named_buffers():
        if buffer.ndim:
            file.array(f"{name}/buffers/{key}", buffer)
    file.array(f"{name}/images", images)


def main():
    with FixtureFile("network_views.h5") as file:
        model, images = make("network views resnet", CIFARResNet, RESNET)
        store(file, "resnet", model, images)
        stages = {"stage2": model.layer2, "stage3": model.layer3}
        results = {key: [] for key in ["labels", "gradients", "second", *stages]}
        for image in exact(images).unsqueeze(1):
            label = int(model(image).argmax())
            results["labels"].append(label)
            for key, module in stages.items():
                results[key].append(grad_cam(model, module, image, label))
            results["second"].append(grad_cam(model, model.layer3, image, (label + 1) % CLASSES))
            results["gradients"].append(integrated_gradients(model, image, label))
        for key, values in results.items():
            file.array(f"resnet/{key}", numpy.array(values) if key == "labels" else torch.stack(values))

        model, images = make("network views vit", VisionTransformer, VIT)
        store(file, "vit", model, images)
        labels, heads, rolled, maps, gradients, reach = [], [], [], [], [], []
        for image in exact(images).unsqueeze(1):
            label = int(model(image).argmax())
            labels.append(label)
            layers = probabilities(model, image)
            heads.append(layers[1][:, 0, 1:])
            rolled.append(rollout(layers)[0, 1:])
            maps.append(grad_cam(model, model.blocks[1], image, label, is_tokens=True))
            gradients.append(integrated_gradients(model, image, label))
            reach.append(distances(layers, VIT["patch"]))
        file.array("vit/labels", labels)
        for key, values in {"heads": heads, "rollout": rolled, "block2": maps, "gradients": gradients}.items():
            file.array(f"vit/{key}", torch.stack(values))
        file.array("vit/distances", numpy.mean(reach, 0))
        vectors = model.pos_embed[0, 1:].detach().numpy()
        unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
        file.array("vit/positions", unit @ unit.T)

        # Vectors whose first components differ little.
        scales = numpy.array([3, 2.9, 2.5, 1.5] + [1] * 16)
        vectors = Source("network views components").normal(60, 20) * scales.astype(numpy.float32) + numpy.float32(2)
        components = PCA(2, svd_solver="full").fit(vectors.astype(numpy.float64))
        signs = numpy.sign([row[numpy.abs(row).argmax()] for row in components.components_])
        file.array("components/vectors", vectors)
        file.array("components/points", components.transform(vectors.astype(numpy.float64)) * signs)
        file.array("components/shares", components.explained_variance_ratio_)


if __name__ == "__main__":
    main()
