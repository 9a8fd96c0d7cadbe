/** Models that see: pictures and volumes to labels. */
export * from "./segmentation-unet.ts";
