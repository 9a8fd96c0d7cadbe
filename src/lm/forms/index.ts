/** The forms that weights can be stored in, by name. */
import { fail } from "../../util/errors.ts";
import { float32Form } from "./float32.ts";
import type { LinearForm } from "./form.ts";
import { int8ColumnsForm } from "./int8-columns.ts";

export type { LinearForm, LinearRole, LinearSpec, StoredArray } from "./form.ts";

/** All forms; the first is the default. */
export const forms: readonly LinearForm[] = [
  int8ColumnsForm("int8", "8-bit weights with a scale per output; sensitive activations in 16 bits (the default)", [
    "attention.qkv",
    "mlp.in",
    "mlp.out",
    "head",
  ]),
  int8ColumnsForm(
    "int8-fast",
    "8-bit weights with a scale per output, 8-bit activations: faster checks of many tokens, coarser",
    [],
  ),
  float32Form,
];

/** A form by name. @throws `name` listing the known ones. */
export function formNamed(name: string): LinearForm {
  return (
    forms.find((f) => f.name === name) ??
    fail("name", `unknown weight form "${name}"; known are ${forms.map((f) => f.name).join(", ")}`)
  );
}
