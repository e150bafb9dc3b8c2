// Bundles: what one proves is what the chain says, and nothing that was changed on the way is believed.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { equal, fromHex, toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { NetworkId } from '../../../src/base/ids.ts';
import { type Bundle, decodeBundle, encodeBundle } from '../../../src/client/care/bundle.ts';
import type { MadeBundle } from '../../../src/client/care/bundle-make.ts';
import {
  type VerifiedBundle,
  verifyBundle,
  type VerifyOptions,
} from '../../../src/client/care/bundle-verify.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { anchorKey, anchorRecord, putAnchor } from '../../../src/shards/anchors.ts';
import { auditRoundsKey, auditRoundsRecord } from '../../../src/shards/audit-rounds.ts';
import { nodeWithKey } from '../../../src/shards/node.ts';
import { putStanding, standingOf } from '../../../src/shards/standing.ts';
import type { Digest, Epoch } from '../../../src/base/ids.ts';
import { type Cluster, createCluster, patterned, seedOf, type TestClient } from '../../helpers/cluster.ts';
import { expectCode } from '../../helpers/expect-code.ts';

let cluster: Cluster;
let client: TestClient;
let made: MadeBundle;

beforeAll(async () => {
  cluster = await createCluster({ nodes: 5 });
  client = await cluster.client();
  const put = await client.put(patterned(1_500_000), { code: { k: 2, n: 4 }, segmentBytes: 1024 * 1024 });
  await put.registered;
  // A round that all nodes passed.
  cluster.chain.write((state) => {
    const round = {
      round: 7,
      epoch: 0 as Epoch,
      height: 1,
      timeMs: 1,
      seed: seedOf('round') as Digest,
      groups: 1,
    };
    state.put(auditRoundsKey(), auditRoundsRecord, [round]);
    putAnchor(state, 7, 0, {
      ...anchorRecord.schema.parse([seedOf('results'), 3, 2, [0, 1, 2, 3], []]),
    });
    state.touch(anchorKey(7, 0));
    for (const { id } of cluster.nodes) {
      const { registration } = nodeWithKey(state, id)!;
      putStanding(state, registration, { ...standingOf(state, registration), round: 7, provenHeight: 1 });
    }
  });
  cluster.chain.write(() => undefined);
  made = await client.care.prove(put.uri);
});
afterAll(() => cluster.close());

const check = (bytes: Uint8Array, more: Partial<VerifyOptions> = {}): VerifiedBundle =>
  verifyBundle(bytes, {
    network: cluster.network,
    nowMs: Date.now(),
    verify: nativeVerify,
    sha256: nativeSha256,
    ...more,
  });
const changed = (change: (bundle: Bundle) => Partial<Bundle>): Uint8Array =>
  encodeBundle({ ...made.bundle, ...change(made.bundle) });

test('says without any network what the chain says, from the founding on', () => {
  const { facts, trustedHeight, moment } = check(made.bytes);
  expect(trustedHeight).toBe(0);
  expect(moment.height).toBe(made.moment.height);
  expect(facts.record.shape.lengthBytes).toBe(1_500_000);
  expect(facts.part.segments.map(({ holders }) => holders.length)).toEqual([4, 4]);
  for (const { audits, standing } of facts.holders.values()) {
    expect([audits?.provenHeight, standing]).toEqual([1, 'healthy']);
  }
  expect([...facts.anchors.values()].map(({ round, anchor }) => [round, anchor.count])).toEqual(
    [...facts.holders.keys()].map(() => [7, 3]),
  );
  expect(equal(encodeBundle(decodeBundle(made.bytes)), made.bytes)).toBe(true);
});

test('is refused wherever a bit of it is changed', () => {
  const step = Math.max(1, Math.floor(made.bytes.length / 300));
  for (let at = 0; at < made.bytes.length; at += step) {
    const bytes = made.bytes.slice();
    bytes[at]! ^= 1 << (at % 8);
    expect(() => check(bytes), `bit of byte ${at}`).toThrow(StoreError);
  }
});

test('is refused when it is cut, longer, or no bundle at all', () => {
  for (const bytes of [
    made.bytes.slice(0, -1),
    made.bytes.slice(0, 100),
    new Uint8Array(0),
    patterned(1000),
  ]) {
    expectCode('INVALID_ENCODING', () => check(bytes));
  }
  expectCode('INVALID_ENCODING', () => check(new Uint8Array([...made.bytes, 0])));
});

test('is refused when a record is missing, was added, is another or is said to be absent', () => {
  const without = (index: number): Uint8Array =>
    changed(({ records }) => ({ records: records.toSpliced(index, 1) }));
  for (const index of made.bundle.records.keys()) expectCode('INTEGRITY', () => check(without(index)));
  const absent = made.bundle.records.findIndex(({ record }) => record !== null);
  expectCode('INTEGRITY', () =>
    check(
      changed(({ records }) => ({ records: records.with(absent, { ...records[absent]!, record: null }) })),
    ),
  );
  const other = fromHex('ab'.repeat(32)) as Bundle['object'];
  expectCode('INTEGRITY', () => check(changed(() => ({ object: other }))));
  expectCode('INTEGRITY', () =>
    check(
      changed(({ shards }) => ({ shards: shards.map((each) => ({ ...each, stateRoot: each.outboxRoot })) })),
    ),
  );
});

test('a block that too few signed is not believed', () => {
  const forged = changed(({ blocks }) => ({
    blocks: blocks.map((block) => ({
      ...block,
      certificate: { ...block.certificate, signatures: block.certificate.signatures.slice(0, 3) },
    })),
  }));
  expectCode('INTEGRITY', () => check(forged));
});

test('belongs to its network, and without the founding needs a block that its reader trusts', () => {
  expectCode('WRONG_NETWORK', () => check(made.bytes, { network: seedOf('another') as NetworkId }));
  const bare = changed(() => ({ founding: undefined }));
  const [first] = made.bundle.blocks;
  const trust = { height: first!.header.height, id: first!.id };
  expectCode('INVALID_ARGUMENT', () => check(bare));
  expect(check(bare, { trust }).trustedHeight).toBe(trust.height);
  expectCode('INTEGRITY', () => check(bare, { trust: { ...trust, id: seedOf('block') as Digest } }));
  expectCode('INVALID_ARGUMENT', () => check(bare, { trust: { ...trust, height: trust.height + 1 } }));
});

test('an old one is believed as of its own time alone, if its reader says so', () => {
  const nowMs = Date.now() + 60 * 24 * 3_600_000;
  expectCode('EXPIRED', () => check(made.bytes, { nowMs }));
  expect(check(made.bytes, { nowMs: undefined }).trustedHeight).toBe(0);
  expectCode('INTEGRITY', () => check(made.bytes, { nowMs: Date.now() - 3_600_000 }));
});

test('is made again for a later state, with the same object and another height', async () => {
  cluster.chain.write(() => undefined);
  const later = await client.care.prove(toHex(made.bundle.object));
  expect(later.moment.height).toBeGreaterThan(made.moment.height);
  expect(equal(later.bundle.object, made.bundle.object)).toBe(true);
});
