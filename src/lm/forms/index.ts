/** The forms that weights can be stored in, by name. */
import { fail } from "../../util/errors.ts";
import { int4Blocks, int8BlocksWordRows } from "./blocks.ts";
import { float32 } from "./float32.ts";
import { formOf, type LinearForm } from "./form.ts";
import { int8ByteRows, int8WordRows } from "./int8-columns.ts";

export {
  formOf,
  type LinearForm,
  type LinearRole,
  type LinearScheme,
  type LinearSpec,
  type StoredArray,
} from "./form.ts";

/** All forms; the first is the default. */
export const forms: readonly LinearForm[] = [
  formOf(
    {
      name: "int8",
      description: "8-bit weights with a scale per output, 16-bit activations: the default",
      version: 2,
    },
    () => int8WordRows,
  ),
  formOf(
    {
      name: "int8-fast",
      description: "8-bit weights with a scale per output, 8-bit activations: faster checks of many tokens, coarser",
      version: 2,
    },
    () => int8ByteRows,
  ),
  formOf(
    {
      name: "int8-precise",
      description: "8-bit weights in blocks of 32, 16-bit activations: nearest to f32, slower",
      version: 1,
    },
    () => int8BlocksWordRows,
  ),
  formOf(
    {
      name: "int4",
      description: "4-bit weights in blocks of 32 with a minimum: the smallest; 4-bit files lose nothing",
      version: 1,
    },
    (role) => (role === "head" ? int8WordRows : int4Blocks),
  ),
  formOf(
    { name: "f32", description: "32-bit float weights and activations: the reference", version: 1 },
    () => float32,
  ),
];
/** A form by name. @throws `name` listing the known ones. */
export function formNamed(name: string): LinearForm {
  return (
    forms.find((f) => f.name === name) ??
    fail("name", `unknown weight form "${name}"; known are ${forms.map((f) => f.name).join(", ")}`)
  );
}
