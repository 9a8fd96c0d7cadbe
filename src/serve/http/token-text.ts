/**
 * Tokens and their log-probabilities in the two shapes of the OpenAI API: lists of objects (chat) and parallel lists
 * (text completions).
 */
import type { TokenLogprob } from "../../decode/index.ts";
import { StreamDecoder, type Tokenizer } from "../../formats/index.ts";

/** JSON knows no infinities; the API's stand-in for "never". */
const lowest = -9999;

const finite = (logprob: number) => (Number.isFinite(logprob) ? logprob : lowest);

/** A token as text; bytes that are no whole characters are spelt out, as the API does. */
export function tokenText(tokenizer: Tokenizer, token: number): string {
  const bytes = tokenizer.tokenBytes(token);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

/** A token's log-probability in a chat completion. */
export interface ChatLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

function chatLogprob(tokenizer: Tokenizer, { token, logprob }: { token: number; logprob: number }): ChatLogprob {
  return {
    token: tokenText(tokenizer, token),
    logprob: finite(logprob),
    bytes: [...tokenizer.tokenBytes(token)],
  };
}

/** Log-probabilities of a chat completion, or of a piece of it. */
export function chatLogprobs(
  tokenizer: Tokenizer,
  entries: readonly TokenLogprob[],
): {
  readonly content: readonly (ChatLogprob & { readonly top_logprobs: readonly ChatLogprob[] })[];
  readonly refusal: null;
} {
  return {
    content: entries.map((entry) => ({
      ...chatLogprob(tokenizer, entry),
      top_logprobs: entry.top.map((other) => chatLogprob(tokenizer, other)),
    })),
    refusal: null,
  };
}

/** Log-probabilities of a text completion: parallel lists. */
export interface TextLogprobs {
  readonly tokens: string[];
  /** `null` for the first token of an echoed prompt. */
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  /** Where each token's text begins in the completion's text, in UTF-16 units. */
  readonly text_offset: number[];
}

/** Collects the log-probabilities of one text completion and knows where in its text each token begins. */
export class TextLogprobWriter {
  readonly #tokenizer: Tokenizer;
  readonly #decoder: StreamDecoder;
  #offset = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#decoder = new StreamDecoder(tokenizer, { skipSpecial: true });
  }

  /** The next tokens; those without an entry were not scored. */
  write(tokens: readonly number[], entries: readonly (TokenLogprob | undefined)[]): TextLogprobs {
    const out: TextLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    tokens.forEach((token, i) => {
      const entry = entries[i];
      out.tokens.push(tokenText(this.#tokenizer, token));
      out.token_logprobs.push(entry ? finite(entry.logprob) : null);
      out.top_logprobs.push(entry ? this.#top(entry) : null);
      out.text_offset.push(this.#offset);
      this.#offset += this.#decoder.push(token).length;
    });
    return out;
  }

  #top({ top }: TokenLogprob): Record<string, number> {
    const out: Record<string, number> = {};
    // likeliest first: of two tokens with the same text the likelier one counts
    for (const { token, logprob } of top) {
      const text = tokenText(this.#tokenizer, token);
      if (!Object.hasOwn(out, text)) out[text] = finite(logprob);
    }
    return out;
  }
}
