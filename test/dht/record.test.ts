import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import { signedBytes } from '../../src/base/hash.ts';
import type { NetworkId, NodeId, ShardId } from '../../src/base/ids.ts';
import { ADDRESSES_MAX, DHT_RECORD_LENGTH_MAX, DHT_RECORD_LIFETIME_MAX_MS } from '../../src/base/limits.ts';
import {
  checkRecord,
  type DhtRecord,
  keyOf,
  nodeKey,
  objectKey,
  type RecordRules,
  selectNewest,
  shardKey,
  signRecord,
} from '../../src/dht/record.ts';
import {
  everyKind,
  HOUR_MS,
  NOW_MS,
  nodeRecord,
  objectRecord,
  RULES,
  shardRecord,
  signerOf,
} from './fixture.ts';

const alice = signerOf(1);
const mallory = signerOf(2);

describe('a signed record', () => {
  test('comes back as it was made, of every kind', () => {
    for (const record of everyKind(alice)) {
      expect(checkRecord(keyOf(record), signRecord(record, alice), RULES, NOW_MS)).toEqual(record);
    }
  });

  test('is refused with any bit flipped', () => {
    const rng = fc.sample(fc.nat(10_000), { numRuns: 60, seed: 1 });
    for (const record of everyKind(alice)) {
      const bytes = signRecord(record, alice);
      for (const random of rng) {
        const forged = bytes.slice();
        forged[random % bytes.length]! ^= 1 << (random % 8);
        expect(codeOf(() => checkRecord(keyOf(record), forged, RULES, NOW_MS))).toMatch(
          /^(INVALID|PROTOCOL|WRONG|NOT)/,
        );
      }
    }
  });

  test('passes for no other kind, key or signer', () => {
    const record = shardRecord(alice);
    const bytes = signRecord(record, alice);
    expect(check(nodeKey(record.node), bytes)).toBe('INVALID_ENCODING');
    expect(check(shardKey(6 as ShardId, record.node), bytes)).toBe('PROTOCOL');
    expect(check(shardKey(record.shard, mallory.publicKey as NodeId), bytes)).toBe('PROTOCOL');
    expect(check(keyOf(record), forge(record, 'shard-record', mallory))).toBe('INVALID_SIGNATURE');
    expect(check(keyOf(record), forge(record, 'node-record', alice))).toBe('INVALID_SIGNATURE');
    expect(() => signRecord(record, mallory)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  test('is refused when it has expired, or expires too far in the future', () => {
    const check = (expiresAtMs: number): string => {
      const record = nodeRecord(alice, { expiresAtMs });
      return codeOf(() => checkRecord(keyOf(record), signRecord(record, alice), RULES, NOW_MS));
    };
    expect(check(NOW_MS)).toBe('NOT_FOUND');
    expect(check(NOW_MS + 1)).toBe('none');
    expect(check(NOW_MS + DHT_RECORD_LIFETIME_MAX_MS)).toBe('none');
    expect(check(NOW_MS + DHT_RECORD_LIFETIME_MAX_MS + 1)).toBe('NOT_FOUND');
  });

  test('of another network or of a stranger is refused', () => {
    const foreign = nodeRecord(alice, { network: new Uint8Array(32).fill(9) as NetworkId });
    expect(check(keyOf(foreign), signRecord(foreign, alice))).toBe('WRONG_NETWORK');
    const record = nodeRecord(alice);
    expect(check(keyOf(record), signRecord(record, alice), { ...RULES, isMember: () => false })).toBe(
      'UNAUTHORIZED',
    );
  });

  test('with more or longer addresses than allowed is neither made nor taken', () => {
    const many = nodeRecord(alice, {
      addresses: { control: Array.from({ length: ADDRESSES_MAX + 1 }, () => '/ip4/1.1.1.1/tcp/1'), bulk: [] },
    });
    expect(check(keyOf(many), signRecord(many, alice))).toBe('INVALID_ENCODING');
    const long = nodeRecord(alice, {
      addresses: { control: Array.from({ length: ADDRESSES_MAX }, () => 'x'.repeat(300)), bulk: [] },
    });
    expect(() => signRecord(long, alice)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(check(keyOf(long), forge(long, 'node-record', alice))).toBe('INVALID_ENCODING');
  });

  test('a signature is not verified before everything cheaper was', () => {
    let verifications = 0;
    const rules: RecordRules = {
      ...RULES,
      isMember: () => false,
      verify: () => {
        verifications++;
        return true;
      },
    };
    const record = nodeRecord(alice);
    expect(check(keyOf(record), signRecord(record, alice), rules)).toBe('UNAUTHORIZED');
    expect(verifications).toBe(0);
  });

  test('garbage under any key is refused with a typed error', () => {
    const keys = everyKind(alice)
      .map(keyOf)
      .concat([toUtf8('/pk/x'), toUtf8(''), toUtf8('/hf-node/'), new Uint8Array(5000)]);
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.uint8Array({ maxLength: 300 }), (key, bytes) => {
        expect(check(key, new Uint8Array(bytes))).toMatch(/^(INVALID_ENCODING|PROTOCOL)$/);
      }),
    );
    expect(check(keys[0]!, new Uint8Array(DHT_RECORD_LENGTH_MAX + 1))).toBe('INVALID_ENCODING');
  });
});

describe('of several records under one key', () => {
  test('the highest sequence wins, then the latest expiry, whatever the order', () => {
    const records = [
      nodeRecord(alice, { sequence: 8 }),
      nodeRecord(alice, { sequence: 9, expiresAtMs: NOW_MS + HOUR_MS }),
      nodeRecord(alice, { sequence: 9, expiresAtMs: NOW_MS + 2 * HOUR_MS }),
      nodeRecord(alice, { sequence: 7, expiresAtMs: NOW_MS + 9 * HOUR_MS }),
    ].map((record) => signRecord(record, alice));
    const read = (bytes: Uint8Array): DhtRecord =>
      checkRecord(nodeKey(alice.publicKey as NodeId), bytes, RULES, NOW_MS);
    fc.assert(
      fc.property(fc.shuffledSubarray(records, { minLength: 1 }), (some) => {
        const order = [3, 0, 1, 2].map((index) => records[index]!);
        const best = order.findLast((candidate) => some.includes(candidate))!;
        expect(some[selectNewest(some, read)]).toBe(best);
      }),
    );
  });

  test('several objects announced by several nodes have one slot each, several servers of a shard one slot each', () => {
    expect(keyOf(objectRecord(alice))).toEqual(keyOf(objectRecord(mallory)));
    expect(keyOf(shardRecord(alice))).not.toEqual(keyOf(shardRecord(mallory)));
  });
});

test('frozen vectors', () => {
  const vectors = JSON.parse(
    readFileSync(new URL('../vectors/dht-records.json', import.meta.url), 'utf8'),
  ) as unknown;
  const made = everyKind(alice).map((record) => ({
    kind: record.kind,
    key: fromUtf8(keyOf(record)),
    record: toHex(signRecord(record, alice)),
  }));
  expect(made).toEqual(vectors);
  expect(fromUtf8(objectKey(objectRecord(alice).object))).toBe(`/hf-object/${'22'.repeat(32)}`);
});

function check(key: Uint8Array, bytes: Uint8Array, rules: RecordRules = RULES): string {
  return codeOf(() => checkRecord(key, bytes, rules, NOW_MS));
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** A record with a signature of the wrong kind or by the wrong key, made without the maker's checks. */
function forge(record: DhtRecord, domain: 'node-record' | 'shard-record', signer: typeof alice): Uint8Array {
  const stamp = [record.network, record.node, record.sequence, record.expiresAtMs];
  const rest =
    record.kind === 'shard'
      ? [record.shard, record.epoch]
      : record.kind === 'node'
        ? [record.addresses.control, record.addresses.bulk]
        : [record.object];
  const body = encode([...stamp, ...rest]);
  return encode([body, signer.sign(signedBytes(domain, body))]);
}

function fromUtf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
