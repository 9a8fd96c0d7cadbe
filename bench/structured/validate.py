"""Validates instances with Python's jsonschema: reads lines {"schema": text, "texts": [text]}, writes lines of booleans.

Numbers are read as decimals, so that nothing is lost; `$schema` chooses the draft, else draft 7.
"""
import decimal
import json
import sys

import jsonschema

decimal.getcontext().prec = 2000


def integer(_, instance):
    if isinstance(instance, bool):
        return False
    if isinstance(instance, int):
        return True
    return isinstance(instance, decimal.Decimal) and instance == instance.to_integral_value()


def number(_, instance):
    return not isinstance(instance, bool) and isinstance(instance, (int, float, decimal.Decimal))


def plain(text):
    return json.loads(text, parse_float=decimal.Decimal)


for line in sys.stdin:
    case = json.loads(line)
    schema = plain(case["schema"])
    base = jsonschema.validators.validator_for(schema, default=jsonschema.Draft7Validator)
    checker = base.TYPE_CHECKER.redefine("number", number)
    if base is not jsonschema.Draft4Validator:
        checker = checker.redefine("integer", integer)
    validator = jsonschema.validators.extend(base, type_checker=checker)
    judge = validator(schema, format_checker=base.FORMAT_CHECKER)
    out = []
    for text in case["texts"]:
        try:
            error = next(iter(judge.iter_errors(plain(text))), None)
            out.append(None if error is None else str(error.message)[:200])
        except Exception as error:  # a fault of the validator is reported as such
            out.append("fault: " + repr(error)[:200])
    print(json.dumps(out), flush=True)
