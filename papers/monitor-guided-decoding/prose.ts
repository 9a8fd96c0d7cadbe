/**
 * Fifty beginnings of prose, which no monitor of code may touch.
 */

const subjects = [
  "The lighthouse keeper",
  "My grandmother",
  "A tired carpenter",
  "The youngest of the three brothers",
  "Nobody in the village",
  "The orchestra",
  "Our neighbour's dog",
  "The last train of the evening",
  "A letter without a stamp",
  "The museum",
] as const;

const openings = [
  (who: string) => `${who} had waited all winter for this day. In the morning`,
  (who: string) => `"It is late," said the doctor. ${who} looked at the clock, and`,
  (who: string) => `Chapter 1. ${who} is where this story begins. Many years ago,`,
  (who: string) => `There are 3.5 reasons to remember what happened next... ${who}`,
  (who: string) => `Dear Anna, thank you for your letter. ${who} sends you regards. The weather here is`,
] as const;

/** See the top of the file. */
export const prosePrompts: readonly string[] = subjects.flatMap((who) => openings.map((opening) => opening(who)));
