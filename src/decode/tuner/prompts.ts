/**
 * What is decoded when a user brings no prompts of their own: a mix of what people ask of small models.
 */

const passage =
  "The lighthouse at Cape Marrow was built in 1871 after three ships were lost in one winter. Its lamp burned whale oil until 1904, when paraffin took its place, and electricity came in 1938. The keeper's family lived in the two rooms below the lamp, and every four hours somebody climbed the 146 steps to wind the clockwork that turned the lens. Since 1989 the light runs by itself, and the rooms are a small museum that opens from May to September.";

const report =
  "In the second quarter the bakery sold 18,400 loaves, 6 percent more than a year before. Rye bread grew most, by 14 percent, while white rolls fell by 3 percent. Flour became 9 percent dearer in April, which the bakery passed on in May by raising prices by 10 cents a loaf. Two new ovens arrived in June and cut the use of gas by a fifth. For the third quarter the bakery expects to hire two people and to open on Sundays.";

/** Prompts for tuning, alternating between kinds so that any half of them is a mix. */
export const tuningPrompts: readonly string[] = [
  "Why does the moon always show us the same side?",
  `Summarise this text in three sentences.\n\n${passage}`,
  "Write a short email that moves a meeting from Tuesday to Thursday afternoon and says sorry for it.",
  "A train leaves at 9:40 and arrives at 13:25. The way is 285 km long. How fast is it on average? Show your steps.",
  `Answer from the text alone: when did the lamp get electricity, and what was it before?\n\n${passage}`,
  "Write a TypeScript function that returns the n-th Fibonacci number, and a second one that prints the first twenty.",
  "Give me five tips for sleeping better, as a numbered list.",
  `List all the numbers in this report and what each stands for.\n\n${report}`,
  "Explain to a child of eight what a computer program is.",
  "Translate into French: The shop opens at nine. The bread is fresh. We will meet you at the station tomorrow evening.",
  `Rewrite this report in a more formal tone.\n\n${report}`,
  "What is the difference between weather and climate?",
  "Write a Python class for a bank account with deposit, withdraw and balance, with error messages.",
  "If 3 notebooks cost 7.50 and 2 pens cost 3.20, how much are 5 notebooks and 4 pens? Explain.",
  "Tell a short story about a fox who wants to learn to swim.",
  `Extract as a JSON list: every year in the text and what happened in it.\n\n${passage}`,
];
