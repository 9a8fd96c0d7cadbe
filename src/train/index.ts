/** Training: steps that change parameters. */
export * from "./train-step.ts";
