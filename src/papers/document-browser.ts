/**
 * The document that figures are drawn in, in a browser.
 */

/** An empty document. */
export function newDocument(): Document {
  return document.implementation.createHTMLDocument();
}
