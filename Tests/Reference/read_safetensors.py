"""Reads a safetensors file with the format's own library, and writes what it holds to another: both have the same bytes.

    python read_safetensors.py FROM TO       # in an environment with torch and safetensors
"""

import sys

import safetensors
import safetensors.torch

source, target = sys.argv[1:]
with safetensors.safe_open(source, framework="pt") as file:
    metadata = file.metadata()
safetensors.torch.save_file(safetensors.torch.load_file(source), target, metadata=metadata)
