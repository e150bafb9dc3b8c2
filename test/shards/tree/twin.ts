// The state tree as its definition reads: recursion over a list of leaves, no nodes, no versions. And the leaves that tests
// use: hashed paths, and crowded ones whose first difference may be any bit.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { compare, concat, fromHex, toHex, toUtf8 } from '../../../src/base/bytes.ts';
import type { Digest } from '../../../src/base/ids.ts';
import type { Leaf } from '../../../src/shards/tree/node.ts';
import type { StatePath } from '../../../src/shards/tree/path.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';

const tagged = (domain: string, ...parts: Uint8Array[]): Digest =>
  nativeSha256(Uint8Array.of(domain.length + 9), toUtf8(`holdfast/${domain}`), ...parts) as Digest;

const bitOf = (path: Uint8Array, index: number): string =>
  path[Math.floor(index / 8)]!.toString(2).padStart(8, '0')[index % 8]!;

/** Digest of the subtree at `depth` of `leaves`, in any order. */
export function twinDigest(leaves: readonly Leaf[], depth: number): Digest {
  if (leaves.length === 0) return new Uint8Array(32) as Digest;
  if (leaves.length === 1) return tagged('state-leaf', leaves[0]!.path, leaves[0]!.value);
  const side = (bit: string): Digest =>
    twinDigest(
      leaves.filter(({ path }) => bitOf(path, depth) === bit),
      depth + 1,
    );
  return tagged('state-node', side('0'), side('1'));
}

export const pathOf = (index: number): StatePath =>
  nativeSha256(toUtf8(`path ${index}`)) as Uint8Array as StatePath;
export const valueOf = (index: number): Digest => nativeSha256(toUtf8(`value ${index}`)) as Digest;

export const leafOf = (path: StatePath, value: Digest): Leaf => ({ kind: 'leaf', path, value });

/** `count` leaves, ascending. */
export const leavesOf = (count: number): Leaf[] =>
  Array.from({ length: count }, (_, index) => leafOf(pathOf(index), valueOf(index))).toSorted((a, b) =>
    compare(a.path, b.path),
  );

export function flipped(path: Uint8Array, bit: number): StatePath {
  const other = Uint8Array.from(path);
  other[bit >>> 3]! ^= 0x80 >>> (bit & 7);
  return other as Uint8Array as StatePath;
}

const BASES = [new Uint8Array(32), new Uint8Array(32).fill(255), pathOf(0), pathOf(1)] as StatePath[];

/** A path near one of a few, or anywhere. */
export const anyPath: fc.Arbitrary<StatePath> = fc.oneof(
  fc.constantFrom(...BASES),
  fc.tuple(fc.constantFrom(...BASES), fc.nat(255)).map(([base, bit]) => flipped(base, bit)),
  fc.nat(60).map(pathOf),
);

/** What a map of hex paths to values holds. */
export type Content = ReadonlyMap<string, Digest>;

export const leavesIn = (content: Content): Leaf[] =>
  [...content].map(([path, value]) => leafOf(fromHex(path) as Uint8Array as StatePath, value));

/** Changes with distinct paths: some set one of a few values, some delete. */
export const anyChanges: fc.Arbitrary<{ path: StatePath; value: Digest | null }[]> = fc.uniqueArray(
  fc.record({ path: anyPath, value: fc.oneof(fc.nat(3).map(valueOf), fc.constant(null)) }),
  { selector: ({ path }) => toHex(path), maxLength: 25 },
);

export function afterChanges(
  content: Content,
  changes: readonly { path: StatePath; value: Digest | null }[],
): Content {
  const next = new Map(content);
  for (const { path, value } of changes) {
    if (value === null) next.delete(toHex(path));
    else next.set(toHex(path), value);
  }
  return next;
}

// ---- Frozen --------------------------------------------------------------------------------------------------

interface Frozen {
  readonly name: string;
  readonly prefix: string;
  readonly version: number;
  readonly leaves: readonly (readonly [path: string, value: string])[];
  readonly digest: string;
  readonly tree: string;
  readonly nodeCount: number;
  readonly nodes: readonly { readonly key: string; readonly node: string }[];
  readonly proofs: readonly {
    readonly path: string;
    readonly proof: string;
    readonly value: string | null;
  }[];
  readonly chunks: readonly { readonly asked: string; readonly leavesMax: number; readonly chunk: string }[];
}

const file = new URL('../../vectors/state-tree.json', import.meta.url);
export const FROZEN: readonly Frozen[] = (JSON.parse(readFileSync(file, 'utf8')) as { trees: Frozen[] })
  .trees;

export const frozenLeaves = ({ leaves }: Frozen): Leaf[] =>
  leaves.map(([path, value]) => leafOf(fromHex(path) as Uint8Array as StatePath, fromHex(value) as Digest));

/** The bytes of the indented block behind `heading` in docs/format-state.md. */
export function documented(heading: string): Uint8Array {
  const page = readFileSync(new URL('../../../docs/format-state.md', import.meta.url), 'utf8');
  const block = page.split(`${heading}:\n\n`).at(-1)!.split('\n\n')[0]!;
  return concat(...block.split('\n').map((line) => fromHex(line.trim().split(' ')[0]!)));
}
