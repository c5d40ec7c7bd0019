"""Writes Fixtures/image_sizes.json: as zoo.json, of timm's vision transformers on images that are no squares, or that patches do not fill.

    python image_sizes.py            # in an environment with torch 2.13.0 and timm 1.0.31
"""

import json
import pathlib

import torch
from zoo import CLASSES, timm, values, vit


def case(definition, height, width, **settings):
    network = timm.models.vision_transformer.VisionTransformer(
        img_size=(height, width), patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=CLASSES, **settings).eval()
    state = network.state_dict()
    if settings.get("dynamic_img_pad"):  # whose positions are declared for whole patches alone
        state["pos_embed"] = torch.zeros(1, 1 + -(-height // 8) * -(-width // 8), 48)
        network.pos_embed = torch.nn.Parameter(state["pos_embed"])
    network.load_state_dict({name: values(name, tuple(tensor.shape)) for name, tensor in state.items()})
    with torch.no_grad():
        logits = network(values("images", (2, height, width, 3)).permute(0, 3, 1, 2))
    return {
        "definition": json.dumps(definition), "side": height, "width": width, "tensors": [f"{name} {list(tensor.shape)}" for name, tensor in state.items()],
        "logits": [float(value) for value in logits.flatten()],
    }


if __name__ == "__main__":
    path = pathlib.Path(__file__).parent.parent / "Fixtures/image_sizes.json"
    cases = [case(vit(), 24, 40), case(vit(pad=True), 30, 20, dynamic_img_pad=True), case(vit(pad=True), 32, 16, dynamic_img_pad=True)]
    path.write_text(json.dumps(cases, indent=1) + "\n")
