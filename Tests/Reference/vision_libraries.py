"""torch, torchvision and timm for the scripts of tests that compare with them; run alone, it tells whether they are there."""

import torch

# torchvision registers kernels of its own library, which are not needed here.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
register_fake = torch.library.register_fake
torch.library.register_fake = lambda name, *rest, **more: (lambda function: function) if name.startswith("torchvision::") else register_fake(name, *rest, **more)

import safetensors.torch
import timm
import torchvision
