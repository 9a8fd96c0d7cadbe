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
      needsExactProducts: true,
    },
    () => int8WordRows,
  ),
  formOf(
    {
      name: "int8-fast",
      description: "8-bit weights with a scale per output, 8-bit activations: faster checks of many tokens, coarser",
      version: 2,
      needsExactProducts: true,
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
      needsExactProducts: true,
    },
    (role) => (role === "head" ? int8WordRows : int4Blocks),
  ),
  formOf(
    { name: "f32", description: "32-bit float weights and activations: the reference", version: 1 },
    () => float32,
  ),
];
/** The form for CPUs without exact products of bytes. */
const safeForm = "int8-precise";

/**
 * The form to load: the one asked for, or the best that this CPU computes rightly.
 * @throws `name` for an unknown form, `unsupported` for one that this CPU would compute wrongly.
 */
export async function chooseForm(name: string | undefined, exactProducts: () => Promise<boolean>): Promise<LinearForm> {
  const form = name === undefined ? forms[0]! : formNamed(name);
  if (!form.needsExactProducts || (await exactProducts())) return form;
  if (name === undefined) return formNamed(safeForm);
  return fail(
    "unsupported",
    `weight form "${name}" needs a CPU that adds products of bytes exactly (VNNI), which this one does not; use "${safeForm}" or "f32"`,
  );
}

/** A form by name. @throws `name` listing the known ones. */
export function formNamed(name: string): LinearForm {
  return (
    forms.find((f) => f.name === name) ??
    fail("name", `unknown weight form "${name}"; known are ${forms.map((f) => f.name).join(", ")}`)
  );
}
