// Examples of docs/client.md, as programs that run.

import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

export const clientPage: string = await readFile(
  fileURLToPath(new URL('../../docs/client.md', import.meta.url)),
  'utf8',
);

export function examplesOf(page: string): readonly string[] {
  return [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

/** They need a chain that takes transactions. */
export function isOfNames(example: string): boolean {
  return example.includes('store.buckets.');
}

/** Runs the example with this as the library; gives what it logged. */
export async function runExample(example: string, library: object): Promise<readonly unknown[][]> {
  const lines: unknown[][] = [];
  const log = (...values: unknown[]): void => {
    lines.push(values);
  };
  const AsyncFunction = (async () => undefined).constructor as new (
    ...parts: string[]
  ) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction('library', 'console', bodyOf(example))(library, { log, warn: log });
  return lines;
}

/** The example as the body of a function: imports of the library are given to it, those of Node are awaited. */
function bodyOf(example: string): string {
  return stripTypeScriptTypes(example)
    .replace(/import \{([^}]*)\} from 'holdfast';/g, 'const {$1} = library;')
    .replace(/import \{([^}]*)\} from '(node:[^']+)';/g, "const {$1} = process.getBuiltinModule('$2');");
}
