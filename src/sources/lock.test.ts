import { access, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { withLock } from "./lock.ts";
import { useFixture } from "./testing/fixture.ts";

const fixture = useFixture();

describe("withLock", () => {
  it("lets one at a time through, and cleans up", async () => {
    const path = join(fixture.folder, "deep/lock");
    let inside = 0;
    let most = 0;
    const body = async () => {
      most = Math.max(most, ++inside);
      await sleep(30);
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => withLock(path, body)));
    expect(most).toBe(1);
    await expect(access(path)).rejects.toThrow();
    await expect(access(`${path}.takeover`)).rejects.toThrow();
  });

  it("is released when the body throws", async () => {
    const path = join(fixture.folder, "lock");
    await expect(withLock(path, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withLock(path, async () => 7)).toBe(7);
  });

  it("shows waiters the owner's progress, and lets them go", async () => {
    const path = join(fixture.folder, "lock");
    let release = () => {};
    let owner: Promise<void> | undefined;
    // the waiter comes when the lock is held, not at the same time
    await new Promise<void>((held) => {
      owner = withLock(path, async (lock) => {
        lock.report({ task: "download x", done: 5, total: 10, unit: "bytes" });
        await new Promise<void>((resolve) => {
          release = resolve;
          held();
        });
      });
    });
    const seen: string[] = [];
    const stop = new AbortController();
    const waiter = withLock(path, async () => {}, {
      signal: stop.signal,
      onWait: ({ task, done }) => {
        seen.push(`${task} ${done}`);
        stop.abort();
      },
    });
    await expect(waiter).rejects.toMatchObject({ code: "aborted" });
    expect(seen[0]).toBe(`process ${process.pid}: download x 5`);
    release();
    await owner;
  });

  it("is taken over from a process that is gone, by one waiter only", async () => {
    const path = join(fixture.folder, "lock");
    const dead = { token: "dead", pid: 2 ** 22 + 1, host: hostname(), beat: 3 };
    await writeFile(path, JSON.stringify(dead));
    let inside = 0;
    let most = 0;
    const body = async () => {
      most = Math.max(most, ++inside);
      await sleep(30);
      inside--;
    };
    await Promise.all([1, 2, 3, 4].map(() => withLock(path, body, { staleMs: 2000 })));
    expect(most).toBe(1);
  });

  it("is taken over from a silent owner on another machine, and from a file that was never written", async () => {
    const path = join(fixture.folder, "lock");
    await writeFile(path, JSON.stringify({ token: "far", pid: 1, host: "elsewhere", beat: 3 }));
    expect(await withLock(path, async () => 1, { staleMs: 600 })).toBe(1);
    await writeFile(path, "");
    expect(await withLock(path, async () => 2, { staleMs: 600 })).toBe(2);
  });

  it("does not take over from an owner that is slow but alive", async () => {
    const path = join(fixture.folder, "lock");
    const order: string[] = [];
    const owner = withLock(path, async () => {
      await sleep(2500);
      order.push("owner");
    });
    await sleep(50);
    await withLock(path, async () => order.push("waiter"), { staleMs: 1500 });
    await owner;
    expect(order).toEqual(["owner", "waiter"]);
  });
});
