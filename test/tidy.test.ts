// Rules about the code itself. Each message names the remedy.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Who may import whom: DESIGN's table plus docs/decisions/0001 (runtime runs replication's kernel in workers). */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  replication: ['base'],
  proofs: ['base', 'replication'],
  consensus: ['base'],
  contracts: ['base'],
  shards: ['base', 'replication', 'proofs', 'consensus', 'contracts'],
  forecast: ['base', 'replication', 'proofs', 'shards'],
  dht: ['base'],
  runtime: ['base', 'replication', 'dht'],
  client: ['base', 'replication', 'consensus', 'shards', 'dht', 'runtime'],
  node: ['base', 'replication', 'proofs', 'consensus', 'contracts', 'shards', 'dht', 'runtime', 'client'],
  gateway: ['base', 'client'],
  cli: [
    'base',
    'replication',
    'proofs',
    'consensus',
    'contracts',
    'shards',
    'forecast',
    'dht',
    'runtime',
    'client',
    'node',
    'gateway',
  ],
};

/** What the pure folders may take from outside: arithmetic, encodings and schemas, nothing that touches the world. */
const PURE = ['base', 'replication', 'proofs', 'consensus', 'contracts', 'shards'];
const PURE_PACKAGES = [/^@noble\//, /^@ipld\/dag-cbor$/, /^multiformats(\/|$)/, /^zod$/];

/** What a program may import by name: package.json's exports. */
const doors = Object.values(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> })
    .exports,
).flatMap((door) =>
  typeof door === 'object' && door !== null && 'development' in door
    ? [String(door.development).slice(2)]
    : [],
);

const sources = [...walk('src', '.ts'), ...walk('cli', '.ts')];
const tests = walk('test', '.ts');
const documents = [...walk('docs', '.md'), 'README.md'];

function walk(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith(ending) && statSync(join(root, path)).isFile())
    .sort();
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

function importsOf(path: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s(?:[^'"();]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;
  return [...read(path).matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

function folderOf(path: string): string {
  const parts = path.split('/');
  if (parts[0] === 'cli') return 'cli';
  return parts.length > 2 ? parts[1]! : 'index';
}

test('imports point one way, along the edges of the table', () => {
  const wrong: string[] = [];
  for (const path of sources) {
    const from = folderOf(path);
    for (const target of importsOf(path).filter((name) => name.startsWith('.'))) {
      const to = folderOf(relative(root, resolve(root, dirname(path), target)));
      if (from === to || from === 'index') continue;
      if (!(MAY_IMPORT[from] ?? []).includes(to)) wrong.push(`${path} imports ${target}`);
    }
  }
  expect(
    wrong,
    'move the code to the folder its subject names, or go through a port of base/ports.ts',
  ).toEqual([]);
});

test('every folder under src is in the table', () => {
  const folders = new Set(sources.map(folderOf).filter((folder) => folder !== 'index'));
  expect(
    [...folders].filter((folder) => !(folder in MAY_IMPORT)),
    'add the folder to MAY_IMPORT',
  ).toEqual([]);
});

test('pure folders import only pure packages', () => {
  const wrong = sources
    .filter((path) => PURE.includes(folderOf(path)))
    .flatMap((path) =>
      importsOf(path)
        .filter((name) => !name.startsWith('.') && !PURE_PACKAGES.some((allowed) => allowed.test(name)))
        .map((name) => `${path} imports ${name}`),
    );
  expect(wrong, 'reach the outside through a port').toEqual([]);
});

test('pure folders read no clock and draw no chance', () => {
  const banned = /\bDate\b|Math\.random|\bperformance\b|\bprocess\.|\bconsole\./;
  const wrong = sources.filter(
    (path) => PURE.includes(folderOf(path)) && banned.test(withoutComments(read(path))),
  );
  expect(wrong, 'take a Clock or a Random').toEqual([]);
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}

test('every source file is reached from an entry point', () => {
  const entries = [
    ...doors,
    'cli/main.ts',
    ...sources.filter((path) => /-worker\.ts$|\/worker\.ts$/.test(path)),
  ];
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const target of importsOf(path).filter((name) => name.startsWith('.'))) {
      visit(relative(root, resolve(root, dirname(path), target)));
    }
  };
  entries.forEach(visit);
  // Twins of ports exist for tests and the simulator only.
  const twins = sources.filter((path) => /\/(memory|twin)-[a-z-]+\.ts$/.test(path));
  twins.forEach(visit);
  expect(
    sources.filter((path) => !reached.has(path) && !path.endsWith('.d.ts')),
    'delete it or wire it in',
  ).toEqual([]);
});

test('there is one door: src/index.ts', () => {
  expect(sources.filter((path) => path.endsWith('/index.ts') && path !== 'src/index.ts')).toEqual([]);
});

test('the word shard stays in the network: replication and proofs say piece', () => {
  const wrong = sources
    .filter((path) => /^src\/(replication|proofs)\//.test(path) && path !== 'src/replication/placement.ts')
    .filter((path) =>
      /\bshards?\b/i.test(read(path).replace(/key's shard|of the shard|in the shard|same shard/g, '')),
    );
  expect(wrong, 'a code part is a piece (GLOSSARY)').toEqual([]);
});

test('every test of a source file stands at its path', () => {
  const folders = ['base', 'replication', 'dht', 'runtime', 'client', 'node'];
  const known = new Set(sources.map((path) => path.replace(/^src\//, '').replace(/\.ts$/, '')));
  const groups = new Set(sources.map((path) => dirname(path).replace(/^src\//, '')));
  const wrong = tests
    .filter((path) => path.endsWith('.test.ts') && folders.includes(path.split('/')[1]!))
    .map((path) => path.replace(/^test\//, '').replace(/\.test\.ts$/, ''))
    .filter((name) => !known.has(name) && !groups.has(name) && !groups.has(dirname(name)));
  expect(wrong, 'test/x/y.test.ts tests src/x/y.ts').toEqual([]);
});

test('no check is silenced and nothing is left undone', () => {
  const banned = new RegExp(
    [
      'TO' + 'DO',
      'FIX' + 'ME',
      'X' + 'XX',
      '@ts-ign' + 'ore',
      'test\\.sk' + 'ip',
      'it\\.sk' + 'ip',
      '\\.on' + 'ly\\(',
    ].join('|'),
  );
  const wrong = [...sources, ...tests].filter((path) => banned.test(read(path)));
  expect(wrong, 'finish it, or say in the docs what is missing').toEqual([]);
});

test('every document has one title and no dead relative link', () => {
  const wrong: string[] = [];
  for (const path of documents) {
    const text = read(path).replace(/```[\s\S]*?```/g, '');
    const titles = text.match(/^# /gm)?.length ?? 0;
    if (titles !== 1) wrong.push(`${path} has ${titles} titles`);
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const file = resolve(root, dirname(path), target!);
      if (!statSync(file, { throwIfNoEntry: false })) wrong.push(`${path} links to ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('every dependency has its line of reason', () => {
  const { dependencies, optionalDependencies } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >;
  const reasons = read('docs/ARCHITECTURE.md');
  const missing = Object.keys({ ...dependencies, ...optionalDependencies }).filter(
    (name) => !reasons.includes(`\`${name}\``),
  );
  expect(missing, 'say in docs/ARCHITECTURE.md why it is there').toEqual([]);
});

test('versions are exact, so that the lock file and package.json agree', () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >;
  const loose = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter(
    ([, version]) => !/^(npm:.+@)?\d+\.\d+\.\d+$/.test(version),
  );
  expect(loose).toEqual([]);
});
