// The light client is meant for browsers too: nothing that its door reaches needs Node.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Imports that are still there when types are erased. */
function importsOf(text: string): string[] {
  const pattern =
    /(?:^|\n)(?:import|export)\s(?!type\s)(?:[^'"();]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

function reached(entry: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const visit = (path: string): void => {
    if (texts.has(path)) return;
    const text = readFileSync(path, 'utf8');
    texts.set(path, text);
    for (const name of importsOf(text)) if (name.startsWith('.')) visit(resolve(dirname(path), name));
  };
  visit(resolve(root, entry));
  return texts;
}

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

test('the chain client reaches no module of Node, and no package but portable ones', () => {
  const texts = reached('src/client/chain/client.ts');
  expect(texts.size).toBeGreaterThan(60);
  const outside = new Set([...texts.values()].flatMap(importsOf).filter((name) => !name.startsWith('.')));
  const portable = [/^@noble\//, /^@ipld\/dag-cbor$/, /^multiformats(\/|$)/, /^zod$/];
  expect([...outside].filter((name) => !portable.some((allowed) => allowed.test(name)))).toEqual([]);
});

test('the chain client names nothing that only Node has', () => {
  const names = /\b(Buffer|process|__dirname|require|setImmediate)\b/;
  const wrong = [...reached('src/client/chain/client.ts')]
    .filter(([, text]) => names.test(withoutComments(text).replace(/'[^'\n]*'|`[^`]*`/g, '')))
    .map(([path]) => path);
  expect(wrong).toEqual([]);
});

test('the ledger, from which it takes the kinds of transactions, is as portable', () => {
  const outside = [...reached('src/shards/ledger.ts').values()].flatMap(importsOf);
  expect(outside.filter((name) => name.startsWith('node:'))).toEqual([]);
});

test('the walk sees imports of Node where there are some', () => {
  const outside = [...reached('src/client/chain/trust-file.ts').values()].flatMap(importsOf);
  expect(outside).toContain('node:path');
});
