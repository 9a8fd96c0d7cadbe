/**
 * An explained graph as text: tables for people.
 */
import { shapeText } from "../tensor/dims.ts";
import type { Explanation, GroupExplanation, NodeExplanation } from "./explain.ts";

type Column<Row> = readonly [heading: string, cell: (row: Row) => string, side?: "right"];

function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [columns.map(([heading]) => heading), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
  const widths = columns.map((_, c) => Math.max(...cells.map((line) => line[c]!.length)));
  return cells
    .map((line) =>
      line
        .map((text, c) => (columns[c]![2] ? text.padStart(widths[c]!) : text.padEnd(widths[c]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const megabytes = (bytes: number) => (!bytes ? "" : bytes < 5e4 ? "<0.1" : (bytes / 1e6).toFixed(1));

function groupTable(heading: string, groups: readonly GroupExplanation[], total: number | undefined): string {
  const columns: Column<GroupExplanation>[] = [
    [heading, ({ name }) => name || "(top)"],
    ["nodes", ({ nodes }) => String(nodes), "right"],
  ];
  if (total !== undefined)
    columns.push(
      ["ran", ({ executed }) => String(executed), "right"],
      ["ms", ({ milliseconds }) => milliseconds!.toFixed(3), "right"],
      ["share", ({ milliseconds }) => `${((100 * milliseconds!) / total).toFixed(1)} %`, "right"],
    );
  columns.push(["weights MB", ({ parameterBytes }) => megabytes(parameterBytes), "right"]);
  return table(columns, groups);
}

function nodeTable(nodes: readonly NodeExplanation[], timed: boolean): string {
  const type = ({ outputs }: NodeExplanation) =>
    outputs.map(({ dtype, shape }) => (dtype && shape ? `${dtype}${shapeText(shape)}` : "·")).join(" ");
  const columns: Column<NodeExplanation>[] = [
    ["OP", ({ opType }) => opType],
    ["YIELDS", type],
  ];
  if (timed) columns.push(["ms", ({ milliseconds }) => milliseconds?.toFixed(3) ?? "", "right"]);
  columns.push(
    ["weights MB", ({ parameterBytes }) => megabytes(parameterBytes), "right"],
    ["MODULE", ({ module }) => module || "(top)"],
  );
  return table(columns, nodes);
}

/**
 * Tables of an explained graph: by op kind and by kind of module.
 * @param options with `nodes`, every node as well: `·` stands for a value whose type is known to ONNX Runtime alone.
 */
export function formatExplanation(explanation: Explanation, options: { readonly nodes?: boolean } = {}): string {
  const { name, nodes, kinds, moduleKinds, parameterBytes, executed, milliseconds } = explanation;
  const facts = [`${nodes.length} nodes`];
  if (milliseconds !== undefined) facts.push(`of which ${executed} ran in ${milliseconds.toFixed(2)} ms`);
  facts.push(`${megabytes(parameterBytes) || "0"} MB of weights`);
  const parts = [
    `${name}: ${facts.join(", ")}`,
    groupTable("OP", kinds, milliseconds),
    groupTable("MODULE", moduleKinds, milliseconds),
  ];
  if (options.nodes) parts.push(nodeTable(nodes, milliseconds !== undefined));
  return parts.join("\n\n");
}
