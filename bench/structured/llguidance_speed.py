"""Times llguidance's masks: reads a file whose first line describes the vocabulary and whose others are schemas with token ids.

Prints one JSON object: `compile`, `first` and `mask`, lists of microseconds; each mask is the least of all passes but the first.
"""
import base64
import gc
import json
import sys
import time

from llguidance import LLMatcher, LLTokenizer
from llguidance._tokenizer import TokenizerWrapper
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask


class Bytes:
    def __init__(self, head):
        self.tokens = [base64.b64decode(t) for t in head["tokens"]]
        self.eos_token_id = head["eos"]
        self.bos_token_id = None
        self.special_token_ids = head["special"]
        self.index = {t: i for i, t in reversed(list(enumerate(self.tokens))) if t}
        self.longest = max(map(len, self.tokens))

    def __call__(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        out, at = [], 0
        while at < len(data):
            for n in range(min(self.longest, len(data) - at), 0, -1):
                if data[at : at + n] in self.index:
                    out.append(self.index[data[at : at + n]])
                    at += n
                    break
            else:
                at += 1
        return out


def main():
    path, passes = sys.argv[1], int(sys.argv[2])
    with open(path, encoding="utf-8") as lines:
        head = json.loads(next(lines))
        cases = [json.loads(line) for line in lines]
    tokenizer = LLTokenizer(TokenizerWrapper(Bytes(head)))
    bits = allocate_token_bitmask(1, tokenizer.vocab_size)
    now = time.perf_counter_ns
    best = None
    gc.disable()
    for _ in range(passes + 1):
        result = []
        for case in cases:
            t0 = now()
            try:
                compiled = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(case["schema"]), log_level=0)
                if compiled.is_error():
                    raise ValueError(compiled.get_error())
            except Exception:
                result.append(None)
                continue
            times = [now() - t0]
            for ids in case["tests"] or [[]]:
                m = compiled.deep_copy()
                for token in ids or [None]:
                    t0 = now()
                    fill_next_token_bitmask(m, bits, 0)
                    times.append(now() - t0)
                    if token is None:
                        break
                    if not (int(bits[0, token >> 5]) >> (token & 31)) & 1 or not m.consume_token(token):
                        break
            result.append(times)
        if _ == 0:
            continue
        if best is None:
            best = result
        else:
            best = [a and b and [min(x, y) for x, y in zip(a, b)] for a, b in zip(best, result)]
    ran = [times for times in best if times]
    print(
        json.dumps(
            {
                "compile": [t[0] / 1000 for t in ran],
                "first": [t[1] / 1000 for t in ran if len(t) > 1],
                "mask": [x / 1000 for t in ran for x in t[1:]],
            }
        )
    )


if __name__ == "__main__":
    main()
