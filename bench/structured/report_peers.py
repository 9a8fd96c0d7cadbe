"""Takes instances through llguidance or XGrammar: report_peers.py ENGINE INPUT OUTPUT, one core.

INPUT has a line that describes the vocabulary, then a case a line: `schema` and `tests` (`valid`, `ids`). OUTPUT gets a JSON list with
each case's `status`, and microseconds: `compile`, `masks`, `commits`.
"""
import base64
import json
import sys
import time

engine, source, target = sys.argv[1:]
now = time.perf_counter_ns


def open_llguidance(head):
    from llguidance import LLMatcher, LLTokenizer
    from llguidance._tokenizer import TokenizerWrapper
    from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
    from llguidance_speed import Bytes

    tokenizer = LLTokenizer(TokenizerWrapper(Bytes(head)))
    bits = allocate_token_bitmask(1, tokenizer.vocab_size)

    def compile(schema):
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(schema), log_level=0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return matcher

    return compile, lambda c: c.deep_copy(), lambda m: fill_next_token_bitmask(m, bits, 0), bits, lambda m, t: m.consume_token(t)


def open_xgrammar(head):
    import torch
    import xgrammar as xgr

    torch.set_num_threads(1)
    vocabulary = [base64.b64decode(t) for t in head["tokens"]]
    info = xgr.TokenizerInfo(vocabulary, xgr.VocabType.RAW, vocab_size=len(vocabulary), stop_token_ids=[head["eos"]])
    compiler = xgr.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    bits = xgr.allocate_token_bitmask(1, len(vocabulary))

    def compile(schema):
        return compiler.compile_json_schema(schema, any_whitespace=False, separators=(", ", ": "), strict_mode=False)

    return compile, xgr.GrammarMatcher, lambda m: m.fill_next_token_bitmask(bits), bits.numpy(), lambda m, t: m.accept_token(t)


with open(source, encoding="utf-8") as lines:
    head = json.loads(next(lines))
    cases = [json.loads(line) for line in lines]
compile, start, fill, bits, take = {"llguidance": open_llguidance, "xgrammar": open_xgrammar}[engine](head)


def allowed(token):
    return (int(bits[0, token >> 5]) >> (token & 31)) & 1 == 1


def run(case):
    masks, commits = [], []
    t0 = now()
    try:
        compiled = compile(case["schema"])
    except Exception:
        return {"status": "compile-error", "compile": None, "masks": masks, "commits": commits}
    compile_us = (now() - t0) / 1000
    accepted = refused = 0
    for test in case["tests"]:
        matcher = start(compiled)
        ok = True
        for token in test["ids"]:
            t0 = now()
            fill(matcher)
            masks.append((now() - t0) / 1000)
            if not allowed(token):
                ok = False
                break
            t0 = now()
            took = take(matcher, token)
            commits.append((now() - t0) / 1000)
            if not took:
                ok = False
                break
        if ok:
            fill(matcher)
            ok = allowed(head["eos"])
        if ok and not test["valid"]:
            accepted += 1
        if not ok and test["valid"]:
            refused += 1
    status = "invalidation-error" if accepted else "validation-error" if refused else "pass"
    return {"status": status, "compile": compile_us, "masks": masks, "commits": commits}


out = []
for i, case in enumerate(cases):
    out.append(run(case))
    if i % 100 == 99:
        print(f"{engine}: {i + 1} of {len(cases)} schemas", file=sys.stderr, flush=True)
with open(target, "w", encoding="utf-8") as file:
    json.dump(out, file)
