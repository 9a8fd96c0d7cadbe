/**
 * Draft heads as a safetensors file: weights by path, the tokens that can be drafted, and the target that they belong to.
 */
import { readSafetensor, readSafetensors, writeSafetensors } from "../../formats/index.ts";
import { loadStateDict, stateDict } from "../../nn/index.ts";
import { memorySource } from "../../util/bytes.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { DraftHeads, type HeadDesign } from "./head-modules.ts";
import { type RankTree, rankPaths, rankTree } from "./rank-tree.ts";

/** The model that heads were trained for. */
export interface HeadTarget {
  /** Hash of its weights. */
  readonly sha256: string;
  /** Weight form whose hidden states the heads have learned from. */
  readonly form: string;
}

/** Heads, and what belongs to them. */
export interface SavedHeads {
  readonly heads: DraftHeads;
  readonly target: HeadTarget;
  /** The tree that was best where they were trained. */
  readonly tree: RankTree;
}

const format = "bletchley draft heads 1";
const tokensName = "draftTokens";

/** Writes heads, part by part. */
export function writeHeads({ heads, target, tree }: SavedHeads): Iterable<Uint8Array> {
  const arrays = new Map<string, NDArray>(stateDict(heads));
  arrays.set(tokensName, new NDArray(heads._tokens, [heads._tokens.length], "i32"));
  return writeSafetensors(
    arrays,
    new Map([
      ["format", format],
      ["design", JSON.stringify(heads._design)],
      ["target", JSON.stringify(target)],
      ["tree", JSON.stringify(rankPaths(tree))],
    ]),
  );
}

/** Reads heads. @throws `format` for a file that holds none, `name` or `shape` for weights that do not fit its design. */
export async function readHeads(bytes: Uint8Array, name: string): Promise<SavedHeads> {
  const file = await readSafetensors(memorySource(bytes, name));
  const refuse = (why: string): never => fail("format", `${name} holds no draft heads of this version: ${why}`);
  if (file.metadata.get("format") !== format) refuse(`its format is "${file.metadata.get("format") ?? "not given"}"`);
  const parse = <T>(key: string): T => {
    try {
      return JSON.parse(file.metadata.get(key) ?? "") as T;
    } catch {
      return refuse(`"${key}" is no JSON`);
    }
  };
  if (!file.tensors.has(tokensName)) refuse(`"${tokensName}" is missing`);
  const tokens = await readSafetensor(file, tokensName);
  if (!(tokens.data instanceof Int32Array)) return refuse(`"${tokensName}" is ${tokens.dtype}`);
  const heads = new DraftHeads(parse<HeadDesign>("design"), tokens.data);
  const arrays = new Map<string, NDArray>();
  for (const key of file.tensors.keys()) if (key !== tokensName) arrays.set(key, await readSafetensor(file, key));
  loadStateDict(heads, arrays);
  return { heads, target: parse<HeadTarget>("target"), tree: rankTree(parse<number[][]>("tree")) };
}
