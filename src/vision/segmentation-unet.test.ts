import { describe, expect, it } from "vitest";
import { initialize, loadStateDict, stateDict } from "../nn/index.ts";
import { compile } from "../runtime/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { countGateParameters, type GateDescription, insertGates, SegmentationUNet } from "./index.ts";

const config = { inChannels: 1, classes: 7, channels: [12, 24, 48, 96] } as const;
const sites = [12, 24, 48, 96, 48, 24, 12];

describe("a segmentation U-Net", () => {
  it.each([
    [undefined, () => 0],
    [{ kind: "cSE" }, (c: number) => c * c + 1.5 * c],
    [{ kind: "sSE" }, (c: number) => c + 1],
    [{ kind: "scSE", merge: "max" }, (c: number) => c * c + 2.5 * c + 1],
    [{ kind: "scSE", merge: "add", r: 4 }, (c: number) => c * c * 0.5 + 2.25 * c + 1],
  ] as const)("has as many parameters as its gates say: %o", (gates, each) => {
    const added = sites.map(each).reduce((a, b) => a + b);
    expect(countGateParameters(new SegmentationUNet({ ...config, gates }))).toEqual({
      all: 274_711 + added,
      gates: added,
    });
  });

  it("is made again from a description that went through JSON", () => {
    const gates: GateDescription = { kind: "scSE", merge: "concat", r: 2, initialBias: 1 };
    const model = new SegmentationUNet({ inChannels: 2, classes: 3, channels: [4, 8], gates });
    initialize(model, 1);
    const again = new SegmentationUNet(JSON.parse(JSON.stringify(model._config)));
    expect(() => loadStateDict(again, stateDict(model))).not.toThrow();
  });

  it("labels volumes under project and excite, which pictures do not have", async () => {
    const small = { inChannels: 1, classes: 3, channels: [4, 6], gates: { kind: "projectExcite" } } as const;
    const model = new SegmentationUNet({ ...small, dimensions: 3 });
    initialize(model, 1);
    await using f = await compile(({ x }) => ({ y: model.labels(x) }), {
      inputs: { x: { dtype: "f32", shape: ["n", 1, 4, 6, 8] } },
    });
    const { y } = await f.run({ x: new NDArray(new Random(1).normals(2 * 192), [2, 1, 4, 6, 8], "f32") });
    expect(y.shape).toEqual([2, 4, 6, 8]);
    expect(y.dtype).toBe("i32");
    expect(y.toNumbers().every((label) => label >= 0 && label < 3)).toBe(true);
    expect(() => new SegmentationUNet(small)).toThrow(/projectExcite is for volumes, dimensions is 2; use scSE/);
  });
});

describe("insertGates", () => {
  const model = new SegmentationUNet({ ...config, channels: [4, 8] });
  initialize(model, 1);

  it("keeps what was trained, in arrays of its own", () => {
    const gated = insertGates(model, { kind: "scSE", merge: "max", initialBias: 3 }, 2);
    const after = stateDict(gated);
    for (const [path, array] of stateDict(model)) {
      expect(after.get(path)!.toNumbers()).toEqual(array.toNumbers());
      expect(after.get(path)!.data).not.toBe(array.data);
    }
    expect(after.get("behindDown.0.cSE.fc2.bias")!.toNumbers()).toEqual([3, 3, 3, 3]);
    expect(after.get("behindUp.0.sSE.conv.bias")!.toNumbers()).toEqual([3]);
  });

  it("refuses gates upon gates, and what trained layers cannot take", () => {
    const gated = insertGates(model, { kind: "cSE" }, 2);
    expect(() => insertGates(gated, { kind: "sSE" }, 2)).toThrow(/has cSE gates already/);
    expect(() => insertGates(model, { kind: "scSE", merge: "concat" }, 2)).toThrow(/concat doubles the channels/);
  });
});
