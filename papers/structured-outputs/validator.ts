/**
 * Ajv as a validator that is independent of the engine, where it is installed. Knows nothing of the engine.
 */
import type { Ajv, ValidateFunction } from "ajv";

/** What compiles a schema (JSON text) to a check of values; undefined for schemas that Ajv cannot compile. */
export type AjvCompiler = (schema: string) => ValidateFunction | undefined;

/** Ajv with ajv-formats for drafts 4 to 2020-12; undefined where these packages are not installed. */
export async function openAjv(): Promise<AjvCompiler | undefined> {
  let packages: Awaited<ReturnType<typeof importAjv>>;
  try {
    packages = await importAjv();
  } catch {
    return undefined;
  }
  const [{ Ajv }, { Ajv2019 }, { Ajv2020 }, { default: AjvDraft04 }, { default: addFormats }] = packages;
  return (text) => {
    const schema = JSON.parse(text) as unknown;
    const declared = (schema as { $schema?: string } | null)?.$schema ?? "";
    if (/draft-03/.test(declared)) return undefined;
    const options = { strict: false, allErrors: false, validateSchema: false, logger: false } as const;
    const ajv = /2020-12/.test(declared)
      ? new Ajv2020(options)
      : /2019-09/.test(declared)
        ? new Ajv2019(options)
        : /draft-04/.test(declared)
          ? new (AjvDraft04 as unknown as typeof Ajv)(options)
          : new Ajv(options);
    (addFormats as unknown as (ajv: Ajv) => void)(ajv as Ajv);
    try {
      if (schema && typeof schema === "object") delete (schema as { $schema?: string }).$schema;
      return ajv.compile(schema as object);
    } catch {
      return undefined;
    }
  };
}

const importAjv = () =>
  Promise.all([
    import("ajv"),
    import("ajv/dist/2019.js"),
    import("ajv/dist/2020.js"),
    import("ajv-draft-04"),
    import("ajv-formats"),
  ]);
