/**
 * Who may use the server: keys, and the names by which it may be addressed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "./api-error.ts";

const digest = (text: string) => createHash("sha256").update(text).digest();

/**
 * Compares a request's `authorization` header with the keys, in a time that tells nothing about them.
 * @returns the number of the key. @throws {@link ApiError} 401 when there is none or it is wrong.
 */
export function checkKey(authorization: string | undefined, keys: readonly string[]): number {
  const refused = (message: string) =>
    new ApiError(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });
  if (!authorization) throw refused('this server needs a key: send it as "authorization: Bearer KEY"');
  const given = digest(/^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? "");
  let found = -1;
  // all of them are compared, whichever fits
  keys.forEach((key, i) => {
    if (timingSafeEqual(given, digest(key)) && key) found = i;
  });
  if (found < 0) throw refused("the key is not one of this server's");
  return found;
}

/** Names and addresses that only mean the machine itself. */
export const loopbackNames: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** Refuses requests that reach the server by a name that is not its own. @throws {@link ApiError} 403. */
export function checkHost(host: string | undefined, names: readonly string[]): void {
  const name = (host ?? "").replace(/:\d+$/, "").toLowerCase();
  if (!names.includes(name) && !name.endsWith(".localhost"))
    throw new ApiError(
      403,
      `this server is not known as ${JSON.stringify(name)}; start it with that name as --allow-host, or with an --api-key`,
      { code: "unknown_host" },
    );
}
