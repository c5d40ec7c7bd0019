"""Sections of Results/performance.md that a script measures. Each lies between two comments, and only what is between them is replaced,
so that text written by hand stays.

    <!-- begin fp32 -->
    …
    <!-- end fp32 -->
"""

import json
import os
import platform
import subprocess
from pathlib import Path


def replace_section(page, name, text):
    """The page's text with its section `name` set to `text`; a section that is not there yet goes to the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    before, found, rest = page.partition(begin)
    if not found:
        return (page.rstrip() + "\n\n" if page.strip() else "") + section + "\n"
    _, closed, after = rest.partition(end)
    if not closed:
        raise ValueError(f"'{begin}' has no '{end}' after it")
    return before + section + after


def write_section(path, name, text):
    path = Path(path)
    page = replace_section(path.read_text() if path.exists() else "", name, text)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(page)
    temporary.replace(path)


class Results:
    """Measurements kept in a JSON file as they come, so that an interrupted run goes on where it was. Without a path they are forgotten.

    Measurements made under other `conditions` are not taken up.
    """

    def __init__(self, path, conditions):
        self.path = Path(path) if path else None
        self.content = {"conditions": conditions, "measurements": {}}
        if self.path and self.path.exists():
            content = json.loads(self.path.read_text())
            if content["conditions"] != conditions:
                raise ValueError(f"{path} holds measurements under other conditions: expected {conditions}, found {content['conditions']}")
            self.content = content

    def get(self, key, measure):
        """The measurement kept under `key`, or else a new one, kept from now on."""
        kept = self.content["measurements"]
        if key not in kept:
            kept[key] = measure()
            if self.path:
                temporary = self.path.with_name(self.path.name + ".new")
                temporary.write_text(json.dumps(self.content, indent=1))
                temporary.replace(self.path)
        return kept[key]


def commit(root):
    """The last commit that changed the program, with `+` when its files were changed since; measurements of another are not comparable."""
    def git(*words):
        result = subprocess.run(["git", "-C", str(root), *words, "--", "Sources", "Package.swift"], capture_output=True, text=True)
        return result.stdout.strip() if result.returncode == 0 else ""
    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


def processor():
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags, name = set(), platform.processor() or platform.machine()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        if key.strip() == "flags":
            flags.update(value.split())
    units = [words for flag, words in [("avx512f", "AVX-512"), ("avx512_bf16", "AVX-512-BF16"), ("amx_bf16", "AMX")] if flag in flags]
    return f"{name} ({os.cpu_count()} processors{''.join(', ' + unit for unit in units)})"
