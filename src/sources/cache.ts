/**
 * Where things are kept between runs. One root for everything, so that one folder can be moved, shared or deleted.
 */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/** The cache folder: `BLETCHLEY_CACHE`, else `$XDG_CACHE_HOME/bletchley`, else `~/.cache/bletchley`. Not created here. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  if (env.BLETCHLEY_CACHE) return resolve(env.BLETCHLEY_CACHE);
  // the XDG rules say that a relative path is to be ignored
  const xdg = env.XDG_CACHE_HOME;
  return xdg && isAbsolute(xdg) ? join(xdg, "bletchley") : join(homedir(), ".cache", "bletchley");
}

/** A folder of the cache, such as `cacheFolder("models")`. Not created here. */
export function cacheFolder(...parts: readonly string[]): string {
  return join(cacheRoot(), ...parts);
}
