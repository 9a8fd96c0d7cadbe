import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue } from "./queue.ts";

/** Lets everything that waits for a resolved promise run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("FairQueue", () => {
  it("lets as many run as there are places, then in the order of arrival", async () => {
    const queue = new FairQueue({ running: 2, waiting: 10 });
    const order: number[] = [];
    const leave: (() => void)[] = [];
    for (let i = 0; i < 5; i++)
      void queue.enter("a").then((done) => {
        order.push(i);
        leave.push(done);
      });
    await settle();
    expect(order).toEqual([0, 1]);
    expect([queue.running, queue.waiting]).toEqual([2, 3]);
    leave[1]!();
    leave[1]!(); // a second call changes nothing
    await settle();
    expect(order).toEqual([0, 1, 2]);
    leave[0]!();
    leave[2]!();
    await settle();
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect([queue.running, queue.waiting]).toEqual([2, 0]);
  });

  it("lets callers take turns, so that one with many does not keep out one with few", async () => {
    const queue = new FairQueue({ running: 1, waiting: 20 });
    const order: string[] = [];
    const first = await queue.enter("greedy");
    const all = [..."aaaa", "b", "c", "b"].map((caller) =>
      queue.enter(caller).then((done) => {
        order.push(caller);
        done();
      }),
    );
    first();
    await Promise.all(all);
    expect(order.join("")).toBe("abcabaa");
  });

  it("refuses newcomers when the line is full, and tells how long to wait", async () => {
    const queue = new FairQueue({ running: 1, waiting: 1 });
    const done = await queue.enter("a");
    const second = queue.enter("b");
    await expect(queue.enter("c")).rejects.toMatchObject({ code: "busy" });
    expect(queue.expectedWaitMs).toBeGreaterThan(0);
    done();
    (await second)();
    (await queue.enter("c"))();
  });

  it("lets nobody wait when the line has no places", async () => {
    const queue = new FairQueue({ running: 1, waiting: 0 });
    const done = await queue.enter("a");
    await expect(queue.enter("b")).rejects.toMatchObject({ code: "busy" });
    done();
    (await queue.enter("b"))();
  });

  it("forgets who leaves while waiting", async () => {
    const queue = new FairQueue({ running: 1, waiting: 1 });
    const done = await queue.enter("a");
    const controller = new AbortController();
    const gone = queue.enter("b", controller.signal);
    controller.abort();
    await expect(gone).rejects.toMatchObject({ code: "aborted" });
    expect(queue.waiting).toBe(0);
    const next = queue.enter("c");
    done();
    (await next)();
    // a signal that fires during the turn changes nothing here
    const late = new AbortController();
    const end = await queue.enter("d", late.signal);
    late.abort();
    expect(queue.running).toBe(1);
    end();
    expect(queue.running).toBe(0);
    await expect(queue.enter("e", late.signal)).rejects.toMatchObject({ code: "aborted" });
  });

  it("closes: those that run go on, all others are refused", async () => {
    const queue = new FairQueue({ running: 1, waiting: 5 });
    const done = await queue.enter("a");
    const waiting = queue.enter("b");
    let idle = false;
    queue.close();
    void queue.idle().then(() => {
      idle = true;
    });
    await expect(waiting).rejects.toMatchObject({ code: "busy" });
    await expect(queue.enter("c")).rejects.toMatchObject({ code: "busy" });
    await settle();
    expect(idle).toBe(false);
    done();
    await settle();
    expect(idle).toBe(true);
    await new FairQueue({ running: 1, waiting: 0 }).idle();
  });

  it("never runs more than it may, and loses nobody", async () => {
    const action = fc.constantFrom("enter", "leave", "abort");
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.tuple(action, fc.constantFrom("a", "b", "c"), fc.nat()), { maxLength: 60 }),
        async (running, actions) => {
          const queue = new FairQueue({ running, waiting: 100 });
          const inside: (() => void)[] = [];
          const controllers: AbortController[] = [];
          let entered = 0;
          let left = 0;
          let aborted = 0;
          for (const [what, caller, which] of actions) {
            if (what === "enter") {
              const controller = new AbortController();
              controllers.push(controller);
              entered++;
              queue.enter(caller, controller.signal).then(
                (done) => inside.push(done),
                () => aborted++,
              );
            } else if (what === "leave" && inside.length) {
              inside.splice(which % inside.length, 1)[0]!();
              left++;
            } else if (what === "abort" && controllers.length) controllers[which % controllers.length]!.abort();
            await settle();
            expect(queue.running).toBe(inside.length);
            expect(inside.length).toBeLessThanOrEqual(running);
            expect(queue.waiting === 0 || inside.length === running).toBe(true);
            expect(inside.length + left + aborted + queue.waiting).toBe(entered);
          }
        },
      ),
      { seed: 12, numRuns: 60 },
    );
  });

  it("refuses limits that let nobody run", () => {
    expect(() => new FairQueue({ running: 0, waiting: 1 })).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => new FairQueue({ running: 1, waiting: -1 })).toThrow(expect.objectContaining({ code: "argument" }));
  });
});
