/**
 * Versions of Python packages, as PEP 440 writes and orders them. Knows nothing of packages or indexes.
 */

interface Version {
  readonly epoch: number;
  readonly release: readonly number[];
  /** Phase of a pre-release and its number. */
  readonly pre?: readonly ["a" | "b" | "rc", number];
  readonly post?: number;
  readonly dev?: number;
}

const pattern =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?(?:[-_.]?dev[-_.]?(\d*))?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$/;

const phases: Readonly<Record<string, "a" | "b" | "rc">> = {
  a: "a",
  alpha: "a",
  b: "b",
  beta: "b",
  c: "rc",
  rc: "rc",
  pre: "rc",
  preview: "rc",
};

function parse(text: string): Version | undefined {
  const match = pattern.exec(text.trim().toLowerCase());
  if (!match) return undefined;
  const [, epoch, release, phase, preNumber, postShort, postNumber, devNumber] = match;
  const post = postShort ?? postNumber;
  return {
    epoch: Number(epoch ?? 0),
    release: release!.split(".").map(Number),
    ...(phase && { pre: [phases[phase]!, Number(preNumber)] as const }),
    ...(post !== undefined && { post: Number(post) }),
    ...(devNumber !== undefined && { dev: Number(devNumber) }),
  };
}

/** Sort key of what follows the release: .dev1 < a1.dev1 < a1 < b1 < rc1 < nothing < .post1.dev1 < .post1. */
function suffixKey({ pre, post, dev }: Version): number[] {
  const onlyDev = !pre && post === undefined && dev !== undefined;
  const phase = onlyDev ? -1 : pre ? ["a", "b", "rc"].indexOf(pre[0]) : 3;
  return [phase, pre?.[1] ?? 0, post ?? -1, dev ?? Number.POSITIVE_INFINITY];
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

/** Orders two versions; local labels (`+cpu`) do not count, and what is no version comes before all others. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  if (!left || !right) return left ? 1 : right ? -1 : a < b ? -1 : a > b ? 1 : 0;
  return (
    compareNumbers([left.epoch], [right.epoch]) ||
    compareNumbers(left.release, right.release) ||
    compareNumbers(suffixKey(left), suffixKey(right))
  );
}

/** Whether a version is a pre-release or a development version, which nobody gets without asking for it. */
export function isPreRelease(text: string): boolean {
  const version = parse(text);
  return !version || version.pre !== undefined || version.dev !== undefined;
}
