// Limits bound each other: one of them changed alone must not make another a lie.

import { expect, test } from 'vitest';
import { encodeEpoch, type Member } from '../../src/base/epoch.ts';
import type { Digest, NodeId, OperatorId, Signature, Stake } from '../../src/base/ids.ts';
import * as limits from '../../src/base/limits.ts';
import { groupCount } from '../../src/replication/piece-tree.ts';
import { sampleEpoch, sampleGenesis } from '../helpers/records.ts';

const {
  BODY_BUDGET,
  BULK_CONNECTIONS_MAX,
  BULK_CONNECTIONS_PER_PEER,
  CBOR_ITEMS_MAX,
  CELL_ALIGNMENT,
  CELL_LENGTH,
  CODE_PIECES_MAX,
  CONNECT_TIMEOUT_MS,
  DHT_RECORD_LENGTH_MAX,
  DOMAIN_LABELS_MAX,
  ENTRY_META_LENGTH_MAX,
  EPOCH_RECORD_LENGTH_MAX,
  EXCHANGE_TIMEOUT_MS,
  GENESIS_FILE_LENGTH_MAX,
  GROUP_LENGTH,
  HEADER_LENGTH_MAX,
  HEADER_TIMEOUT_MS,
  INLINE_LENGTH_MAX,
  LEAF_LENGTH,
  LOG_FILE_LENGTH,
  MANIFEST_LENGTH_MAX,
  MANIFEST_PAGES_MAX,
  MEMBERS_MAX,
  PAGE_SEGMENTS_MAX,
  PIECE_LENGTH_MAX,
  REFUSAL_TEXT_MAX,
  SEGMENT_CELLS_DEFAULT,
  SEGMENT_CELLS_MAX,
  SEGMENT_CELLS_MIN,
  SERVICE_HEADER_LENGTH_MAX,
  TAG_LENGTH,
  VERIFY_KEYS_MAX,
} = limits;

test('every limit is a positive whole number', () => {
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value === 'bigint') expect(value > 0n, name).toBe(true);
    else expect(Number.isSafeInteger(value) && value > 0, name).toBe(true);
  }
});

test('cells hold whole groups, groups whole leaves, leaves whole SIMD steps', () => {
  expect(CELL_LENGTH % GROUP_LENGTH).toBe(0);
  expect(GROUP_LENGTH % LEAF_LENGTH).toBe(0);
  expect(LEAF_LENGTH % CELL_ALIGNMENT).toBe(0);
  // BLAKE3 fixes the leaf; a group is a subtree only when it holds a power of two of them.
  expect(LEAF_LENGTH).toBe(1024);
  expect(Math.log2(GROUP_LENGTH / LEAF_LENGTH) % 1).toBe(0);
});

test('a tail cell has room for its tag', () => {
  expect(CELL_ALIGNMENT).toBeGreaterThan(TAG_LENGTH);
});

test('segments: smallest, default and largest are in order, and the largest piece holds the largest segment as a whole copy', () => {
  expect(SEGMENT_CELLS_MIN).toBeLessThanOrEqual(SEGMENT_CELLS_DEFAULT);
  expect(SEGMENT_CELLS_DEFAULT).toBeLessThanOrEqual(SEGMENT_CELLS_MAX);
  const plaintext = SEGMENT_CELLS_MAX * (CELL_LENGTH - TAG_LENGTH);
  expect(PIECE_LENGTH_MAX).toBeGreaterThanOrEqual(plaintext);
  expect(PIECE_LENGTH_MAX).toBeGreaterThanOrEqual(SEGMENT_CELLS_MAX * CELL_LENGTH + CELL_ALIGNMENT);
});

test('chunk numbers of the largest piece fit the 32 bits that the hash kernel gives them', () => {
  expect(PIECE_LENGTH_MAX / LEAF_LENGTH).toBeLessThan(2 ** 32);
});

test('the meta of a log entry holds the outboard tree of the largest piece and its place', () => {
  expect(groupCount(PIECE_LENGTH_MAX) * 32 + 4096).toBeLessThanOrEqual(ENTRY_META_LENGTH_MAX);
});

test('a log file holds many of the largest pieces', () => {
  expect(LOG_FILE_LENGTH).toBeGreaterThanOrEqual(8 * PIECE_LENGTH_MAX);
});

test('a node can hold the bodies of some largest pieces at once', () => {
  expect(BODY_BUDGET).toBeGreaterThanOrEqual(3 * PIECE_LENGTH_MAX);
});

test('a manifest page holds its segments at the widest code, each piece at any member', () => {
  const [root, holderIndex, confirmation, node] = [34, 3, 71, 34];
  const perSegment = CODE_PIECES_MAX * (root + holderIndex + confirmation) + 100;
  expect(PAGE_SEGMENTS_MAX * perSegment + MEMBERS_MAX * node).toBeLessThanOrEqual(MANIFEST_LENGTH_MAX);
  const itemsPerSegment = CODE_PIECES_MAX * (1 + 1 + 3) + 10;
  expect(PAGE_SEGMENTS_MAX * itemsPerSegment + MEMBERS_MAX).toBeLessThanOrEqual(CBOR_ITEMS_MAX);
});

test('an epoch record holds all its members, named as people name things', () => {
  const member = (index: number): Member => ({
    node: new Uint8Array(32).fill(index) as NodeId,
    operator: `storage-cooperative-${index}.example` as OperatorId,
    stake: (2n ** 63n) as Stake,
    capacityBytes: 2 ** 50,
    admissionSeed: new Uint8Array(32) as Digest,
    domains: [
      ['country', 'switzerland'],
      ['datacentre', `zurich-west-${index}`],
      ['power', 'grid-north'],
      ['rack', `row-12-rack-${index}`],
    ],
  });
  const bytes = encodeEpoch({
    genesis: sampleGenesis(),
    record: sampleEpoch(Array.from({ length: MEMBERS_MAX }, (_, index) => member(index))),
    signature: new Uint8Array(64) as Signature,
  });
  expect(bytes.length).toBeLessThanOrEqual(EPOCH_RECORD_LENGTH_MAX);
  const itemsOfWidestMember = 6 + 1 + 3 * DOMAIN_LABELS_MAX;
  expect(MEMBERS_MAX * itemsOfWidestMember + 100).toBeLessThanOrEqual(CBOR_ITEMS_MAX);
  expect(EPOCH_RECORD_LENGTH_MAX).toBeLessThanOrEqual(GENESIS_FILE_LENGTH_MAX);
});

test('a manifest root holds all its pages', () => {
  expect(MANIFEST_PAGES_MAX * 40 + INLINE_LENGTH_MAX).toBeLessThanOrEqual(MANIFEST_LENGTH_MAX);
  expect(MANIFEST_PAGES_MAX).toBeLessThan(CBOR_ITEMS_MAX);
});

test('refusals, service headers and DHT records fit where they travel', () => {
  expect(4 * REFUSAL_TEXT_MAX).toBeLessThan(SERVICE_HEADER_LENGTH_MAX);
  expect(SERVICE_HEADER_LENGTH_MAX).toBeLessThanOrEqual(HEADER_LENGTH_MAX);
  expect(DHT_RECORD_LENGTH_MAX).toBeLessThanOrEqual(HEADER_LENGTH_MAX);
});

test('parts of an exchange end before the exchange does', () => {
  expect(HEADER_TIMEOUT_MS).toBeLessThan(EXCHANGE_TIMEOUT_MS);
  expect(CONNECT_TIMEOUT_MS).toBeLessThan(EXCHANGE_TIMEOUT_MS);
});

test('one peer cannot take all bulk connections', () => {
  expect(BULK_CONNECTIONS_PER_PEER * 8).toBeLessThanOrEqual(BULK_CONNECTIONS_MAX);
});

test('imported keys of a full epoch stay imported', () => {
  expect(VERIFY_KEYS_MAX).toBeGreaterThan(MEMBERS_MAX);
});
