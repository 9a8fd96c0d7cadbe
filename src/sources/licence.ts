/**
 * The terms a model comes under, as its own files state them.
 */
import { readGguf } from "../formats/gguf/index.ts";
import { fileSource } from "./file.ts";
import type { Licence } from "./model.ts";

function licenceOf(id: string | undefined, url?: string): Licence | undefined {
  return id ? { id, ...(url && { url }) } : undefined;
}

/** From a GGUF file's `general.license`. */
export async function licenceOfGguf(path: string): Promise<Licence | undefined> {
  const source = await fileSource(path);
  try {
    const { metadata } = await readGguf(source);
    const text = (key: string) => {
      const value = metadata.get(key);
      return typeof value === "string" ? value : undefined;
    };
    return licenceOf(text("general.license"), text("general.license.link"));
  } catch {
    return undefined; // whoever loads the file will say what is wrong with it
  } finally {
    await source.close();
  }
}

/** From the front matter of a Hub repository's `README.md`. */
export function licenceOfModelCard(text: string): Licence | undefined {
  const matter = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? "";
  const field = (name: string) =>
    new RegExp(`^${name}:[ \\t]*["']?([^"'\\r\\n]+?)["']?[ \\t]*$`, "m").exec(matter)?.[1];
  const id = field("license");
  return licenceOf(id === "other" ? (field("license_name") ?? id) : id, field("license_link"));
}

/** From a wheel's `METADATA`. */
export function licenceOfWheel(metadata: string): Licence | undefined {
  const head = metadata.split(/\r?\n\r?\n/, 1)[0]!;
  return licenceOf(/^License-Expression: *(.+)$/m.exec(head)?.[1] ?? /^License: *(.+)$/m.exec(head)?.[1]?.trim());
}
