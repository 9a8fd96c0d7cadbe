/** Diffusion models: networks, what they learn from, how they are sampled, and edits of trained ones. */
export * from "./edm.ts";
export * from "./quality.ts";
export * from "./samplers.ts";
export * from "./skip-tuning.ts";
export {
  DiffusionUNet,
  type DiffusionUNetConfig,
  initializeDiffusion,
  type SkipEdit,
} from "./unet.ts";
