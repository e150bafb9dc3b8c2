// docs/format-validator.md against the code: its examples, and vectors made by a second encoder from its tables.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import type { NetworkId, NodeId, Signature } from '../../../src/base/ids.ts';
import { encodeGuardSlot, GUARD_STATE_LENGTH, guardRecord } from '../../../src/consensus/signer-guard.ts';
import type { BlockId, Input, Vote } from '../../../src/consensus/types.ts';
import { encodeWalHeader, encodeWalRecord, readWal, walStart } from '../../../src/consensus/wal.ts';

interface Vectors {
  readonly network: string;
  readonly node: string;
  readonly salt: string;
  readonly height: number;
  readonly wal: string;
  readonly records: readonly string[];
  readonly guardPages: { readonly empty: string; readonly prevote: string };
}

const text = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const vectors = JSON.parse(text('test/vectors/validator-files.json')) as Vectors;
const { height } = vectors;
const owner = { network: fromHex(vectors.network) as NetworkId, node: fromHex(vectors.node) as NodeId };
const blockId = 'aa'.repeat(32) as BlockId;
const signature = new Uint8Array(64).fill(0x33) as Signature;
const vote: Vote = { kind: 'prevote', height, round: 0, blockId, validRound: -1, validator: 0, signature };
const inputs: readonly Input[] = [
  {
    kind: 'start-height',
    start: {
      height,
      validators: { validators: [{ node: owner.node, power: 7n }], totalPower: 7n },
      proposers: { firstHeight: 1, slots: [0, 0] },
      self: 0,
    },
  },
  { kind: 'value', height, round: 0, blockId },
  { kind: 'message', message: vote },
  { kind: 'signed', message: vote },
  { kind: 'verdict', height, blockId, isValid: true },
  { kind: 'timeout', timeout: 'prevote', height, round: 0 },
];

/** The bytes of the indented block behind the line that ends with `lead`. */
function documented(lead: string): string {
  const block = text('docs/format-validator.md').split(`${lead}:\n\n`)[1]!.split('\n\n')[0]!;
  return block
    .split('\n')
    .map((line) => line.trim().split(' ')[0])
    .join('');
}

test('a log is made, and read, as the vectors say', () => {
  const header = encodeWalHeader({ ...owner, height, salt: fromHex(vectors.salt) });
  const first = walStart(header, height);
  const lengths = vectors.records.map((record) => record.length / 2);
  const end = (count: number): number =>
    header.length + lengths.slice(0, count).reduce((sum, length) => sum + length, 0);
  // The start alone was synced before the next three, those before the last two.
  const synced = [0, end(1), end(1), end(1), end(4), end(4)];
  const records = inputs.map((input, sequence) =>
    toHex(encodeWalRecord(input, { ...first, sequence }, synced[sequence]!)),
  );
  expect(records).toEqual(vectors.records);
  expect(toHex(header) + records.join('')).toBe(vectors.wal);
  expect(readWal(fromHex(vectors.wal), owner, 'vector').inputs).toEqual(inputs);
});

test('a guard is made as the vectors say', () => {
  const page = (slot: Uint8Array): string => toHex(slot.subarray(0, GUARD_STATE_LENGTH));
  expect(page(encodeGuardSlot({ last: undefined, sequence: 0 }, owner))).toBe(vectors.guardPages.empty);
  const last = guardRecord(owner.network, vote);
  expect(page(encodeGuardSlot({ last, sequence: 3 }, owner))).toBe(vectors.guardPages.prevote);
});

test('the examples of the page are those of the vectors', () => {
  expect(documented('salt `a0` to `af`')).toBe(vectors.records[1]);
  const page = documented('up to the sign bytes');
  expect(page).toBe(vectors.guardPages.prevote.slice(0, 2 * 108));
});
