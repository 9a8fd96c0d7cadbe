"""PyTorch trains the same models on the same batches as child.ts: peer.py NAME ARRAYS, with the same lines in and out."""

import json
import re
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file



def mebibytes(what):
    with open("/proc/self/status") as status:
        return int(re.search(what + r":\s+(\d+)", status.read())[1]) / 1024


idle = mebibytes("VmRSS")
torch.set_num_threads(2)
torch.set_num_interop_threads(1)
name, path = sys.argv[1:]
arrays = load_file(path)
values = {key[len("model/") :]: value for key, value in arrays.items() if key.startswith("model/")}
batches = {}
for key, value in arrays.items():
    if found := re.match(r"batch(\d+)/(.+)", key):
        batches.setdefault(int(found[1]), {})[found[2]] = value
p = {key: torch.nn.Parameter(v) for key, v in values.items() if "running_" not in key}
buffers = {key: v for key, v in values.items() if "running_" in key}


def layer_norm(x, at):
    return F.layer_norm(x, x.shape[-1:], p[f"{at}.weight"], p[f"{at}.bias"])


def char_gpt(tokens, targets):
    heads = 6
    batch, n = tokens.shape
    x = F.embedding(tokens, p["tokens.weight"]) + p["positions.weight"]
    for i in range(6):
        at = f"body.blocks.{i}"
        qkv = F.linear(layer_norm(x, f"{at}.norm1"), p[f"{at}.attention.queryKeyValue.weight"])
        q, k, v = (part.view(batch, n, heads, -1).transpose(1, 2) for part in qkv.chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + F.linear(y.transpose(1, 2).reshape(batch, n, -1), p[f"{at}.attention.output.weight"])
        y = F.gelu(F.linear(layer_norm(x, f"{at}.norm2"), p[f"{at}.mlp.up.weight"]))
        x = x + F.linear(y, p[f"{at}.mlp.down.weight"])
    logits = F.linear(layer_norm(x, "body.norm"), p["head.weight"])
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def conv_block(x, at):
    y = F.conv2d(x, p[f"{at}.conv.weight"], padding=1)
    mean, var = buffers[f"{at}.norm.running_mean"], buffers[f"{at}.norm.running_var"]
    return F.relu(F.batch_norm(y, mean, var, p[f"{at}.norm.weight"], p[f"{at}.norm.bias"], training=True))


def double(x, at):
    return conv_block(conv_block(x, f"{at}.first"), f"{at}.second")


def unet(images, masks):
    skips, x = [], images
    for i in range(3):
        x = double(F.max_pool2d(x, 2) if i else x, f"down.{i}")
        skips.append(x)
    for i in (1, 0):
        x = F.conv_transpose2d(x, p[f"enlarge.{i}.weight"], p[f"enlarge.{i}.bias"], stride=2)
        x = double(torch.cat([skips[i], x], 1), f"up.{i}")
    return F.binary_cross_entropy_with_logits(F.conv2d(x, p["head.weight"], p["head.bias"]), masks)


recurrent = torch.nn.LSTM(64, 128)


def lstm(x, wanted):
    return F.mse_loss(recurrent(x)[0], wanted)


loss_of = {"char-gpt": char_gpt, "unet": unet, "lstm": lstm}[name]
if name == "lstm":
    recurrent.load_state_dict({key.removeprefix("lstm."): value for key, value in values.items()})
    parameters = dict(recurrent.named_parameters())
else:
    parameters = p
if name == "char-gpt":
    plain = [v for key, v in parameters.items() if re.search("norm|bias", key)]
    decayed = [v for key, v in parameters.items() if not re.search("norm|bias", key)]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
else:
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-3, weight_decay=0.01)

done = 0
for line in sys.stdin:
    losses = []
    started = time.perf_counter()
    for _ in range(int(line)):
        optimizer.zero_grad()
        loss = loss_of(**batches[done % len(batches)])
        loss.backward()
        if name == "char-gpt":
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        done += 1
    ms = (time.perf_counter() - started) * 1000
    memory = {"idleMiB": idle, "peakMiB": mebibytes("VmHWM")}
    print(json.dumps({"ms": ms, "losses": losses, **memory}), flush=True)
