/**
 * Plays as tokens: speeches one after the other, each with its speaker and a token that ends it. A chat is a scene of two.
 */
import { type BpeVocabulary, tokenizerFromVocabulary, trainBpe } from "../../src/formats/index.ts";

/** The control token after every speech. */
export const endOfSpeech = "<|endoftext|>";

/** Users speak as Juliet and are answered by Romeo; what a system message says stands before, as spoken by nobody. */
export const chatTemplate =
  "{% for message in messages %}" +
  "{% if message['role'] == 'user' %}{{ 'JULIET:\\n' }}{% elif message['role'] == 'assistant' %}{{ 'ROMEO:\\n' }}{% endif %}" +
  `{{ message['content'] | trim + '${endOfSpeech}' }}{% endfor %}` +
  "{% if add_generation_prompt %}{{ 'ROMEO:\\n' }}{% endif %}";

/** What a text of plays becomes. */
export interface Plays {
  readonly vocabulary: BpeVocabulary;
  readonly training: Int32Array;
  /** The last tenth of the speeches. */
  readonly heldOut: Int32Array;
  /** Characters of it, ends of speeches included as one each. */
  readonly heldOutCharacters: number;
}

/** Learns a vocabulary from the first nine tenths of the speeches, and encodes all. */
export function readPlays(text: string, vocabSize = 1024): Plays {
  const speeches = text.trim().split(/\n\n+/);
  const at = Math.floor(speeches.length * 0.9);
  const vocabulary = trainBpe(speeches.slice(0, at), { vocabSize, control: [endOfSpeech] });
  const tokenizer = tokenizerFromVocabulary(vocabulary);
  const encode = (part: readonly string[]) => {
    const end = vocabulary.tokens.indexOf(endOfSpeech);
    return Int32Array.from(part.flatMap((speech) => [...tokenizer.encode(speech), end]));
  };
  const last = speeches.slice(at);
  return {
    vocabulary,
    training: encode(speeches.slice(0, at)),
    heldOut: encode(last),
    heldOutCharacters: last.reduce((sum, speech) => sum + speech.length + 1, 0),
  };
}
