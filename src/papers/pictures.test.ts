import { describe, expect, it } from "vitest";
import { drawPictures, greyPicture } from "./index.ts";

describe("rows of pictures", () => {
  const picture = greyPicture([-1, 0, 0.5, 9], { width: 2, height: 2 }, [0, 1]);

  it("keep brightness within its range", () => {
    expect([...picture.pixels]).toEqual([0, 0, 128, 255]);
  });

  it("hold every picture as PNG, and names that are safe in XML", () => {
    const svg = drawPictures({
      title: "A < B",
      columns: ["one", "two"],
      rows: [
        { name: "first", pictures: [picture, { ...picture, palette: Array.from({ length: 256 }, () => "#123456") }] },
      ],
      legend: [["liver", "#ff0000"]],
    });
    const addresses = [...svg.matchAll(/href="data:image\/png;base64,([^"]+)"/g)].map(([, text]) => text!);
    expect(addresses.length).toBe(2);
    for (const address of addresses) expect(Buffer.from(address, "base64").toString("latin1", 1, 4)).toBe("PNG");
    expect(svg).toContain("A &lt; B");
    expect(svg).toContain("liver");
    expect(() => drawPictures({ title: "", columns: ["one"], rows: [{ name: "x", pictures: [] }] })).toThrow(
      /row "x" has 0 pictures for 1 columns/,
    );
  });
});
