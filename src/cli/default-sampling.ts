/**
 * How the command line samples when it is not told: lively enough for a conversation, sober enough for a small model. The
 * library itself is greedy unless asked.
 */

/** Temperature and nucleus of `generate`, `chat` and `serve`. */
export const defaultSampling = { temperature: 0.6, topP: 0.9 } as const;

/** Most tokens of an answer at the command line unless told otherwise: small models tend to go round in circles for ever. */
export const defaultAnswerTokens = 1024;
