/**
 * One view of a model file: tensors by their Hugging Face names, as float rows, whatever file they come from.
 */
import type { DecoderConfig, EncoderConfig } from "../config.ts";

/** Rows of a matrix that stay in the file until they are asked for, such as token embeddings. */
export interface RowTable {
  readonly rows: number;
  readonly columns: number;
  /** Where the first row lies in the file. */
  readonly path: string;
  readonly offset: number;
  /** Bytes of one row in the file. */
  readonly rowBytes: number;
  /** Unpacks one row's bytes to floats. */
  unpack(bytes: Uint8Array, out: Float32Array, outOffset: number): void;
}

/** A model file opened for reading. */
export interface Checkpoint {
  readonly config: DecoderConfig | EncoderConfig;
  /** Whether there is a tensor of that Hugging Face name. */
  has(name: string): boolean;
  /** All values of a tensor, in the layout of Hugging Face checkpoints. @throws `format` when it is missing. */
  read(name: string): Promise<Float32Array>;
  /** Shape of a tensor. */
  shape(name: string): readonly number[];
  /** The rows of a matrix, without reading them. */
  table(name: string): RowTable;
}
