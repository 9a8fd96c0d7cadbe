/**
 * The document that figures are drawn in. In a browser the file beside this one takes its place (package.json, `browser`).
 */
import { parseHTML } from "linkedom";

/** An empty document. */
export function newDocument(): Document {
  return parseHTML("<html><body></body></html>").document as unknown as Document;
}
