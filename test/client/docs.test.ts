// The examples of docs/client.md run as they stand, on a network in memory; the one on names, which needs a chain that takes transactions, runs in
// store-names.test.ts.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_CODES, StoreError } from '../../src/base/errors.ts';
import { type Cluster, createCluster, patterned } from '../helpers/cluster.ts';
import { clientPage as page, examplesOf, isOfNames, runExample } from '../helpers/doc-examples.ts';

const examples = examplesOf(page).filter((example) => !isOfNames(example));

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

test('there are examples', () => {
  expect(examples.length).toBeGreaterThanOrEqual(7);
});

for (const [index, example] of examples.entries()) {
  test(`example ${index + 1}: ${example.split('\n').find((line) => line.includes('await store.')) ?? ''}`, async () => {
    const lines = await runExample(example, { createStore: () => cluster.client(), StoreError, ERROR_CODES });
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
