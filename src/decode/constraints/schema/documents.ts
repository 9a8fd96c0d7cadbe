/**
 * Schema documents: which draft each part follows, and what `$ref`, anchors and dynamic anchors point at. Knows where schemas
 * stand inside schemas, and nothing of what they mean.
 */
import { fail } from "../../../util/index.ts";
import type { Json } from "../json/formula.ts";

/** Drafts by year or number. */
export type Draft = 4 | 6 | 7 | 2019 | 2020;

/** A schema object. */
export type SchemaObject = ReadonlyMap<string, Json>;

/** A document, or a part of one with an identifier of its own. */
export interface Resource {
  readonly id: number;
  readonly base: string;
  readonly root: Json;
  readonly draft: Draft;
  readonly anchors: Map<string, Json>;
  readonly dynamicAnchors: Map<string, Json>;
  /** Whether keywords of the validation vocabulary hold. */
  readonly validates: boolean;
  /** Whether the vocabulary says that formats are assertions. */
  readonly assertsFormats: boolean;
}

/** A schema at its place. */
export interface Located {
  readonly node: Json;
  readonly resource: Resource;
  /** JSON pointer, or the reference that led here. */
  readonly pointer: string;
}

const inObject = [
  "additionalItems",
  "additionalProperties",
  "contains",
  "else",
  "if",
  "items",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
  "contentSchema",
];
const inList = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
const inMap = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/** Base of documents that have no address. */
const nowhere = "schema://document/";

const drafts: readonly (readonly [RegExp, Draft])[] = [
  [/^https?:\/\/json-schema\.org\/draft-0[34]\/schema#?$/, 4],
  [/^https?:\/\/json-schema\.org\/draft-06\/schema#?$/, 6],
  [/^https?:\/\/json-schema\.org\/draft-07\/schema#?$/, 7],
  [/^https?:\/\/json-schema\.org\/draft\/2019-09\/schema#?$/, 2019],
  [/^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/, 2020],
];

const isObject = (node: Json | undefined): node is SchemaObject => node instanceof Map;

/** Joins a reference to a base address. */
export function resolveAddress(base: string, reference: string): string {
  if (reference.startsWith("#")) return base.replace(/#.*$/, "") + reference;
  try {
    return new URL(reference, base).href;
  } catch {
    return reference;
  }
}

const withoutFragment = (address: string): string => address.replace(/#.*$/, "");

/** All documents that a schema may refer to. */
export class Documents {
  readonly #resources = new Map<string, Resource>();
  readonly #homes = new Map<Json, Resource>();
  readonly #sources: ReadonlyMap<string, () => Json>;
  readonly main: Located;
  #next = 0;
  /** Whether any reference depends on the way that led to it. */
  dynamic = false;

  constructor(
    schema: Json,
    readonly defaultDraft: Draft,
    sources: ReadonlyMap<string, () => Json>,
  ) {
    this.#sources = sources;
    const resource = this.#add(schema, nowhere, defaultDraft);
    this.main = { node: schema, resource, pointer: "#" };
  }

  /** What `$schema` says: the draft, and whether its vocabularies validate. */
  #dialect(address: string, fallback: Draft): { draft: Draft; validates: boolean; assertsFormats: boolean } {
    const known = drafts.find(([pattern]) => pattern.test(address));
    if (known) return { draft: known[1], validates: true, assertsFormats: false };
    const meta = this.#sources.get(withoutFragment(address))?.();
    if (!isObject(meta)) return { draft: fallback, validates: true, assertsFormats: false };
    const above = meta.get("$schema");
    const { draft } =
      typeof above === "string" && above !== address ? this.#dialect(above, fallback) : { draft: fallback };
    const vocabularies = meta.get("$vocabulary");
    const validates =
      !isObject(vocabularies) || [...vocabularies.keys()].some((name) => name.endsWith("/vocab/validation"));
    const assertsFormats =
      isObject(vocabularies) && [...vocabularies.keys()].some((name) => name.endsWith("/vocab/format-assertion"));
    return { draft, validates, assertsFormats };
  }

  #add(root: Json, address: string, fallback: Draft): Resource {
    const schema = isObject(root) ? root.get("$schema") : undefined;
    const { draft, validates, assertsFormats } =
      typeof schema === "string"
        ? this.#dialect(schema, fallback)
        : { draft: fallback, validates: true, assertsFormats: false };
    const id = isObject(root) ? root.get(draft === 4 ? "id" : "$id") : undefined;
    const own = typeof id === "string" && !id.startsWith("#") && !this.#hidden(root as SchemaObject, draft);
    const base = own ? withoutFragment(resolveAddress(address, id)) : address;
    const resource: Resource = {
      id: this.#next++,
      base,
      root,
      draft,
      anchors: new Map(),
      dynamicAnchors: new Map(),
      validates,
      assertsFormats,
    };
    this.#resources.set(base, resource);
    if (!this.#resources.has(address)) this.#resources.set(address, resource);
    this.#scan(root, resource, 0);
    return resource;
  }

  /** Whether a `$ref` beside the identifier hides it, as in drafts up to 7. */
  #hidden(node: SchemaObject, draft: Draft): boolean {
    return draft <= 7 && typeof node.get("$ref") === "string";
  }

  #scan(node: Json, resource: Resource, depth: number): void {
    if (depth > maxSchemaDepth) fail("unsupported", `the schema is nested more than ${maxSchemaDepth} deep`);
    if (!isObject(node)) return;
    let home = resource;
    const { draft } = resource;
    if (!this.#hidden(node, draft)) {
      const id = node.get(draft === 4 ? "id" : "$id");
      if (typeof id === "string" && node !== resource.root) {
        if (id.startsWith("#")) {
          if (draft <= 7) resource.anchors.set(id.slice(1), node);
        } else if (!this.#homes.has(node)) {
          const dialect = node.get("$schema");
          const {
            draft: own,
            validates,
            assertsFormats,
          } = typeof dialect === "string" ? this.#dialect(dialect, draft) : resource;
          const base = withoutFragment(resolveAddress(resource.base, id));
          home = {
            id: this.#next++,
            base,
            root: node,
            draft: own,
            anchors: new Map(),
            dynamicAnchors: new Map(),
            validates,
            assertsFormats,
          };
          this.#resources.set(base, home);
          const fragment = /#(.+)$/.exec(id)?.[1];
          if (fragment && draft <= 7) home.anchors.set(fragment, node);
        }
      } else if (typeof id === "string" && draft <= 7) {
        const fragment = /#(.+)$/.exec(id)?.[1];
        if (fragment) home.anchors.set(fragment, node);
      }
      if (home.draft >= 2019) {
        const anchor = node.get("$anchor");
        if (typeof anchor === "string") home.anchors.set(anchor, node);
        const moving = node.get("$dynamicAnchor");
        if (typeof moving === "string") {
          home.anchors.set(moving, node);
          home.dynamicAnchors.set(moving, node);
        }
        if (node.has("$dynamicRef") || node.has("$recursiveRef")) this.dynamic = true;
      }
    }
    this.#homes.set(node, home);
    for (const key of inObject) {
      const inner = node.get(key);
      if (isObject(inner)) this.#scan(inner, home, depth + 1);
    }
    for (const key of inList) {
      const inner = node.get(key);
      if (Array.isArray(inner)) for (const item of inner) this.#scan(item as Json, home, depth + 1);
    }
    for (const key of inMap) {
      const inner = node.get(key);
      if (isObject(inner)) for (const item of inner.values()) this.#scan(item, home, depth + 1);
    }
  }

  #load(address: string): Resource | undefined {
    const known = this.#resources.get(address);
    if (known) return known;
    const source = this.#sources.get(address) ?? this.#sources.get(`${address}#`);
    return source && this.#add(source(), address, this.defaultDraft);
  }

  /** The resource that a schema stands in. */
  homeOf(node: Json, fallback: Resource): Resource {
    return this.#homes.get(node) ?? fallback;
  }

  /** What a reference points at. @throws `unsupported` when it is nowhere to be found. */
  resolve(reference: string, from: Located): Located {
    const address = resolveAddress(from.resource.base, reference);
    const [base, rawFragment = ""] = address.split("#") as [string, string?];
    const missing = (): never =>
      fail(
        "unsupported",
        `$ref ${JSON.stringify(reference)} at ${from.pointer} points at nothing that is known; give remote documents in \`documents\``,
      );
    const resource = reference.startsWith("#") ? from.resource : (this.#load(base) ?? missing());
    let fragment: string;
    try {
      fragment = decodeURIComponent(rawFragment);
    } catch {
      fragment = rawFragment;
    }
    if (fragment === "") return { node: resource.root, resource, pointer: reference };
    if (!fragment.startsWith("/")) {
      const node = resource.anchors.get(fragment) ?? missing();
      return { node, resource: this.homeOf(node, resource), pointer: reference };
    }
    let node: Json | undefined = resource.root;
    let home = resource;
    for (const part of fragment.slice(1).split("/")) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      node = isObject(node) ? node.get(key) : Array.isArray(node) ? (node[Number(key)] as Json | undefined) : undefined;
      if (node === undefined) return missing();
      home = this.homeOf(node, home);
    }
    return { node, resource: home, pointer: reference };
  }

  /** The outermost resource of a scope that has a dynamic anchor. */
  dynamicTarget(name: string, scope: readonly Resource[]): Located | undefined {
    for (const resource of scope) {
      const node = resource.dynamicAnchors.get(name);
      if (node !== undefined) return { node, resource: this.homeOf(node, resource), pointer: `#${name}` };
    }
    return undefined;
  }
}

/** Deepest nesting of schemas. */
export const maxSchemaDepth = 200;
