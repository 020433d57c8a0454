// Parses every Mermaid block of a Markdown file: node mermaid_check.mjs NODE_MODULES FILE
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, file] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { window } = new (require("jsdom").JSDOM)("");
Object.assign(globalThis, { window, document: window.document });
const mermaid = (await import(pathToFileURL(`${modules}/mermaid/dist/mermaid.core.mjs`).href)).default;

const blocks = [...readFileSync(file, "utf8").matchAll(/```mermaid\n([\s\S]*?)\n```/g)];
for (const [, text] of blocks) await mermaid.parse(text);
console.log(`${blocks.length} accepted`);
