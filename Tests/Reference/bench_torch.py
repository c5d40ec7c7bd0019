"""PyTorch's time for a training step of the workloads of `harness bench`: zero the gradients, forward, cross-entropy, backward,
AdamW with weight decay 0.05. Synthetic data. Prints a JSON array. Each measurement runs in a process of its own, so that the
peak memory is its own and a failed compilation hurts no other.

    python bench_torch.py [WORKLOAD …] [--modes eager,channels-last,…] [--precision fp32|bf16] [--threads 2] [--steps 20]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORKLOADS = {  # name: (image size, channels, batch size)
    "vit-28": (28, 1, 64),
    "resnet18-28": (28, 1, 64),
    "vit-tiny-224": (224, 3, 16),
    "resnet18-224": (224, 3, 16),
    "hybrid-28": (28, 1, 64),
    "resnet50-224": (224, 3, 8),
    "densenet121-224": (224, 3, 8),
    "mobilenetv2-224": (224, 3, 16),
    "convnext-tiny-224": (224, 3, 8),
    "vgg16-224": (224, 3, 8),
    "swin-tiny-224": (224, 3, 8),
    "r26-s32-224": (224, 3, 8),
    "cct-7-32": (32, 3, 64),
    "vit-b-224": (224, 3, 8),
    "r3d-18-112": (112, 48, 4),
    "voxnet-32": (32, 32, 32),
}
VOLUMES = {"r3d-18-112": 3, "voxnet-32": 1}  # how many of an image's channels lie at one depth
MKL = "+mkl"


def modes_here():
    """PyTorch's modes, and on AMD each again with MKL told that it runs on Intel, which lifts its slow path there."""
    modes = ["eager", "channels-last", "compiled", "compiled-channels-last"]
    try:
        is_amd = "AuthenticAMD" in Path("/proc/cpuinfo").read_text()
    except OSError:
        is_amd = False
    return modes + [mode + MKL for mode in modes] if is_amd else modes


MODES = modes_here()
PRECISIONS = ["fp32", "bf16"]
WARM_UP_STEPS = 3


def network(workload):
    from models import Hybrid, ResNet18, VisionTransformer
    if workload == "vit-28":
        return VisionTransformer(size=28, patch=4, width=192, depth=6, heads=3, channels=1)
    if workload == "resnet18-28":
        return ResNet18(small=True, channels=1)
    if workload == "vit-tiny-224":
        return VisionTransformer(size=224, patch=16, width=192, depth=12, heads=3, channels=3)
    if workload == "resnet18-224":
        return ResNet18(small=False, channels=3)
    if workload == "hybrid-28":
        return Hybrid(size=28, backbone_width=16, width=192, depth=4, heads=3, channels=1)
    if workload == "cct-7-32":
        return compact_transformer(width=256, depth=7, heads=4, ratio=2, size=32, channels=3)
    if workload == "r3d-18-112":
        from vision_libraries import torchvision
        return volumes(torchvision.models.video.r3d_18(num_classes=10), VOLUMES[workload])
    if workload == "voxnet-32":
        from torch import nn
        layers = [nn.Conv3d(1, 32, 5, 2), nn.LeakyReLU(0.1), nn.Dropout(0.2), nn.Conv3d(32, 32, 3), nn.LeakyReLU(0.1), nn.MaxPool3d(2), nn.Dropout(0.3)]
        head = [nn.Flatten(), nn.Linear(32 * 6 ** 3, 128), nn.ReLU(), nn.Dropout(0.4), nn.Linear(128, 10)]
        return volumes(nn.Sequential(*layers, *head), VOLUMES[workload])
    if workload in TIMM:
        from vision_libraries import timm
        name, options = TIMM[workload]
        return permuted(timm.create_model(name, num_classes=10, **options))
    return from_torchvision(workload.removesuffix("-224"))


TIMM = {  # name in timm; drop_path_rate as the program's own
    "swin-tiny-224": ("swin_tiny_patch4_window7_224", {"drop_path_rate": 0.2}),
    "r26-s32-224": ("vit_small_r26_s32_224", {}),
    "vit-b-224": ("vit_base_patch16_224", {}),
}


def compact_transformer(width, depth, heads, ratio, size, channels, classes=10):
    """CCT-…/3×1: one convolution makes the tokens, whose weighted mean goes to the head; attention is PyTorch's fused one."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
            self.fc1, self.fc2 = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

        def forward(self, x):
            q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            x = self.norm2(x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)))
            return x + self.fc2(F.gelu(self.fc1(x)))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
            self.pos_embed = nn.Parameter(0.2 * torch.randn(1, (size // 2) ** 2, width))
            self.blocks, self.norm = nn.Sequential(*[Block() for _ in range(depth)]), nn.LayerNorm(width)
            self.attention_pool, self.head = nn.Linear(width, 1), nn.Linear(width, classes)

        def forward(self, images):
            tokens = self.tokenizer(images.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
            x = self.norm(self.blocks(tokens + self.pos_embed))
            return self.head((self.attention_pool(x).softmax(1).transpose(1, 2) @ x).squeeze(1))

    return Transformer()


def permuted(module):
    """A network for [N, C, H, W], as one for [N, H, W, C]."""
    import torch

    class Permuted(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, images):
            return self.module(images.permute(0, 3, 1, 2))

    return Permuted(module)


def volumes(module, channels):
    """A network for [N, C, D, H, W], as one for [N, H, W, D·C]."""
    import torch

    class Volumes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, images):
            return self.module(images.unflatten(3, (-1, channels)).permute(0, 4, 3, 1, 2))

    return Volumes()


def from_torchvision(name):
    """One of torchvision's networks with 10 classes, for [N, H, W, C]."""
    from vision_libraries import torchvision

    # The program's networks drop no paths unless they are told to.
    names, options = {"mobilenetv2": "mobilenet_v2", "convnext-tiny": "convnext_tiny"}, {"convnext-tiny": {"stochastic_depth_prob": 0.0}}
    return permuted(getattr(torchvision.models, names.get(name, name))(num_classes=10, **options.get(name, {})))


def measure(workload, mode, precision, threads, steps):
    """Runs in the child process. The networks take [N, H, W, C], which permuted is PyTorch's channels-last memory format."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(0)
    size, channels, batch = WORKLOADS[workload]
    model = network(workload).train()
    # Behind the imports: the scripts of fixtures set one thread.
    torch.set_num_threads(threads)
    assert torch.get_num_threads() == threads
    images = torch.randn(batch, channels, size, size)
    mode = mode.removesuffix(MKL)
    if mode.endswith("channels-last"):
        model = model.to(memory_format=torch.channels_last_3d if workload in VOLUMES else torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    images = images.permute(0, 2, 3, 1)
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    forward = torch.compile(model) if mode.startswith("compiled") else model

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(WARM_UP_STEPS):
        step()
    milliseconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        milliseconds.append(1000 * (time.perf_counter() - start))
    median = statistics.median(milliseconds)
    return {
        "workload": workload, "mode": mode, "precision": precision, "threads": threads, "batch_size": batch,
        "ms_per_step": round(median, 3), "ms_min": round(min(milliseconds), 3), "images_per_second": round(1000 * batch / median, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def intel_switch():
    """A library of one function by which MKL takes its fast path on every processor that has the instructions."""
    library = Path(tempfile.gettempdir()) / f"mkl-intel-{os.getuid()}.so"
    if not library.exists():
        source = library.with_suffix(".c")
        source.write_text("int mkl_serv_intel_cpu_true(void) { return 1; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True, capture_output=True)
    return str(library)


def measure_apart(workload, mode, precision, threads, steps):
    """The measurement from a fresh process, or the same keys with an `error` instead of times."""
    arguments = [workload, "--modes", mode, "--precision", precision, "--threads", str(threads), "--steps", str(steps)]
    environment = dict(os.environ)
    if mode.endswith(MKL):
        try:
            environment["LD_PRELOAD"] = intel_switch()
        except (OSError, subprocess.CalledProcessError) as error:
            return {"workload": workload, "mode": mode, "precision": precision, "threads": threads, "error": f"no C compiler: {error}"}
    result = subprocess.run([sys.executable, __file__, *arguments, "--in-process"], capture_output=True, text=True, env=environment)
    if result.returncode == 0:
        return json.loads(result.stdout.splitlines()[-1])
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    reasons = [line for line in lines if "Error" in line] or lines or [f"exit code {result.returncode}"]
    reason = reasons[0]
    if mode.startswith("compiled"):
        reason = "torch.compile does not work here (it needs a C++ compiler and Python's headers): " + reason
    return {"workload": workload, "mode": mode, "precision": precision, "threads": threads, "error": reason}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--modes", default=",".join(MODES), help="comma-separated; by default %(default)s")
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20, help="measured steps, after a warm-up of %d" % WARM_UP_STEPS)
    parser.add_argument("--in-process", action="store_true", help="one workload and mode, measured in this process")
    options = parser.parse_args()
    modes = options.modes.split(",")
    for kind, names, known in [("workload", options.workloads, WORKLOADS), ("mode", modes, MODES)]:
        for name in names:
            if name not in known:
                parser.error(f"unknown {kind} {name}; there are {', '.join(known)}")
    workloads = options.workloads or list(WORKLOADS)

    if options.in_process:
        print(json.dumps(measure(workloads[0], modes[0], options.precision, options.threads, options.steps)))
        return
    results = []
    for workload in workloads:
        for mode in modes:
            results.append(measure_apart(workload, mode, options.precision, options.threads, options.steps))
            print(json.dumps(results[-1]), file=sys.stderr)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
