/**
 * State of a module that training does not change by gradients: running statistics, counters. It is saved with the parameters.
 */
import { Parameter } from "../tensor/index.ts";

/** A named array that a module owns and a forward pass may renew. @see updateBuffer */
export class Buffer extends Parameter {}
