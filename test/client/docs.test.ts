// The examples of docs/client.md run as they stand, on a network in memory.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_CODES, StoreError } from '../../src/base/errors.ts';
import { type Cluster, createCluster, patterned } from '../helpers/cluster.ts';

const page = await readFile(fileURLToPath(new URL('../../docs/client.md', import.meta.url)), 'utf8');
const examples = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);

let cluster: Cluster;
let folder: string;
const before = process.cwd();
beforeAll(async () => {
  cluster = await createCluster({ nodes: 5 });
  folder = await mkdtemp(join(tmpdir(), 'holdfast-docs-'));
  await writeFile(join(folder, 'photo.jpg'), patterned(300_000));
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(before);
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

/** The example as the body of a function: imports of the library are given to it, those of Node are awaited. */
function bodyOf(example: string): string {
  return stripTypeScriptTypes(example)
    .replace(/import \{([^}]*)\} from 'holdfast';/g, 'const {$1} = library;')
    .replace(/import \{([^}]*)\} from '(node:[^']+)';/g, "const {$1} = process.getBuiltinModule('$2');");
}

test('there are examples', () => {
  expect(examples.length).toBeGreaterThanOrEqual(7);
});

for (const [index, example] of examples.entries()) {
  test(`example ${index + 1}: ${example.split('\n').find((line) => line.includes('await store.')) ?? ''}`, async () => {
    const lines: unknown[][] = [];
    const log = (...values: unknown[]): void => {
      lines.push(values);
    };
    const library = { createStore: () => cluster.client(), StoreError, ERROR_CODES };
    const AsyncFunction = (async () => undefined).constructor as new (
      ...parts: string[]
    ) => (...values: unknown[]) => Promise<void>;
    await new AsyncFunction('library', 'console', bodyOf(example))(library, { log, warn: log });
    expect(lines.length).toBeGreaterThan(0);
    if (index === 0) expect(lines).toEqual([['hello, world']]);
    if (example.includes('StoreError')) expect(lines[0]?.[0]).toBe('ABORTED');
    else for (const value of lines.flat()) expect(value).not.toBe(false);
  });
}

test('every error code of the page is one of the list', () => {
  const named = [...page.matchAll(/^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|/gm)].flatMap(
    (match) => match[1]!.match(/[A-Z_]+/g)!,
  );
  expect(named.length).toBeGreaterThan(10);
  for (const code of named) expect(ERROR_CODES).toContain(code);
});
