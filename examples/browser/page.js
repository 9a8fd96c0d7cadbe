/**
 * Loads an exported model and shows it working: colours a map by what it says of each point. `window.runModel` runs any model on
 * any arrays, for tests and for curious people at the console.
 */
import * as ort from "onnxruntime-web/wasm";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1;

/** Runs a model: inputs and results are `{ type, data, dims }` by name, with numbers as data. */
window.runModel = async (url, inputs) => {
  const session = await ort.InferenceSession.create(url);
  const arrays = { int64: (data) => BigInt64Array.from(data, BigInt), bool: (data) => Uint8Array.from(data) };
  const tensor = ({ type, data, dims }) =>
    new ort.Tensor(type, (arrays[type] ?? ((numbers) => Float32Array.from(numbers)))(data), dims);
  const results = await session.run(
    Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, tensor(input)])),
  );
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, data, dims }]) => [name, { type, data: Array.from(data, Number), dims }]),
  );
};

const status = document.getElementById("status");
const map = document.getElementById("map");
const colours = [
  [78, 121, 167],
  [242, 142, 44],
];

/** Where a pixel lies among the points that the model knows: −1 to 1 each way. */
const pointOf = (x, y) => [(2 * x) / map.width - 1, 1 - (2 * y) / map.height];

async function classify(session, points) {
  const input = new ort.Tensor("float32", Float32Array.from(points.flat()), [points.length, 2]);
  const { labels } = await session.run({ points: input });
  return Array.from(labels.data, Number);
}

async function show() {
  const started = performance.now();
  const session = await ort.InferenceSession.create("model.onnx");
  const loaded = performance.now();
  const points = [];
  for (let y = 0; y < map.height; y++) for (let x = 0; x < map.width; x++) points.push(pointOf(x + 0.5, y + 0.5));
  const labels = await classify(session, points);
  const context = map.getContext("2d");
  const picture = context.createImageData(map.width, map.height);
  labels.forEach((label, i) => picture.data.set([...colours[label], 255], 4 * i));
  context.putImageData(picture, 0, 0);
  const times = `loaded in ${(loaded - started).toFixed(0)} ms, asked about ${points.length} points in ${(performance.now() - loaded).toFixed(0)} ms`;
  status.textContent = `Ready: ${times}.`;
  map.addEventListener("pointermove", async ({ offsetX, offsetY }) => {
    const point = pointOf((offsetX / map.clientWidth) * map.width, (offsetY / map.clientHeight) * map.height);
    const [label] = await classify(session, [point]);
    status.textContent = `(${point.map((x) => x.toFixed(2)).join(", ")}) belongs to spiral ${label}.`;
  });
}

show().catch((error) => {
  status.textContent = `The model cannot be shown: ${error.message}`;
});
