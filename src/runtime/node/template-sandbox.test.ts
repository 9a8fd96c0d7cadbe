import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { TemplateSandbox } from "./template-sandbox.ts";

const input = { messages: [{ role: "user", content: "Hi" }] };
/** Passes the template's own bounds, and would take for ever: a list that holds itself twice, a hundred levels deep. */
const endless =
  "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}";

describe("TemplateSandbox", () => {
  const sandbox = new TemplateSandbox({ timeoutMs: 1000 });
  afterAll(() => sandbox.close());

  it("renders, and reports errors of templates", async () => {
    const answers = ["a", "b", "c"].map((letter) => sandbox.render(`{{ messages[0].content }}${letter}`, input));
    expect(await Promise.all(answers)).toEqual(["Hia", "Hib", "Hic"]);
    await expect(sandbox.render("{{ raise_exception('no') }}", input)).rejects.toMatchObject({ code: "template" });
  });

  it("ends a template that does not end, and renders the next one", async () => {
    const late = sandbox.render(endless, input);
    const next = sandbox.render("next", input);
    await expect(late).rejects.toMatchObject({ code: "template", message: expect.stringContaining("1000 ms") });
    expect(await next).toBe("next");
  });

  it("survives a template that eats all memory", async () => {
    const hungry = new TemplateSandbox({ memoryMiB: 32, timeoutMs: 20_000 });
    const text = `{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x, range(900)] %}{% endfor %}`;
    await expect(hungry.render(text, input)).rejects.toMatchObject({ code: "template" });
    expect(await hungry.render("still here", input)).toBe("still here");
    hungry.close();
  });

  it("does not keep the program alive", async () => {
    const url = JSON.stringify(new URL("./template-sandbox.ts", import.meta.url).href);
    const program = `import { renderInSandbox } from ${url};
      process.stdout.write(await renderInSandbox("{{ messages[0].content }}", ${JSON.stringify(input)}));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", program],
      { cwd: fileURLToPath(new URL("../../..", import.meta.url)), timeout: 20_000 },
    );
    expect(stdout).toBe("Hi");
  }, 30_000);
});
