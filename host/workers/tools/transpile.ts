// A component to JavaScript and core modules.

import { transpile as jco } from "@bytecodealliance/jco-transpile";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Waits } from "./components.ts";
import { hoistModules, rewrite } from "./rewrite.ts";

/** Transpile a component's file into `out`. Gives the path of a module that exports `instantiate(imports)`. */
export async function transpile(name: string, component: string, waits: Waits, out: string): Promise<string> {
  const { asyncImports, asyncExports } = waits;
  const { files } = await jco(component, {
    name,
    instantiation: "async",
    asyncMode: "jspi",
    asyncImports,
    asyncExports,
    map: { "wasi:clocks/*@0.3.0": "wasi-0.3:clocks/*" },
    emitTypescriptDeclarations: false,
    base64Cutoff: 0,
    nodejsCompat: false,
  });
  const cores: string[] = [];
  for (const [file, bytes] of Object.entries(files)) {
    if (file.endsWith(".wasm")) {
      cores.push(file);
      await writeFile(join(out, file), bytes);
    } else if (file === `${name}.js`) {
      const { text, modules } = hoistModules(rewrite(name, new TextDecoder().decode(bytes)));
      const imports = modules.map((_, index) => `import inline${index} from "./${name}.inline${index}.wasm";\n`);
      await writeFile(join(out, file), imports.join("") + text);
      for (const [index, module] of modules.entries()) {
        await writeFile(join(out, `${name}.inline${index}.wasm`), module);
      }
    }
  }
  const entry = join(out, `${name}.entry.js`);
  await writeFile(entry, entryModule(name, cores));
  return entry;
}

/** Core modules are imported, so they are compiled before the first request, and instantiated at once. */
function entryModule(name: string, cores: string[]): string {
  const imports = cores.map((file, index) => `import core${index} from "./${file}";`);
  const table = cores.map((file, index) => `${JSON.stringify(file)}: core${index}`);
  return `${imports.join("\n")}
import { instantiate as make } from "./${name}.js";
const cores = { ${table.join(", ")} };
export const instantiate = async (imports) =>
  make((file) => cores[file], imports, (module, imports) => new WebAssembly.Instance(module, imports));
`;
}
