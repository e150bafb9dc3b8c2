import { Libp2pRecord } from '@libp2p/record';
import { base32 } from 'multiformats/bases/base32';
import { describe, expect, test } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import type { Digest, NodeId, ShardId } from '../../src/base/ids.ts';
import { DHT_RECORDS_PER_SIGNER } from '../../src/base/limits.ts';
import type { Clock, Signer } from '../../src/base/ports.ts';
import { nearest, placeOf } from '../../src/dht/keyspace.ts';
import { type DhtRecord, keyOf, signRecord } from '../../src/dht/record.ts';
import { createRecordStore, type RecordStore } from '../../src/dht/record-store.ts';
import { HOUR_MS, NOW_MS, nodeRecord, objectRecord, RULES, shardRecord, signerOf } from './fixture.ts';

const alice = signerOf(1);
const bob = signerOf(2);
const SELF = placeOf(toUtf8('this node'));

describe('the records a node keeps', () => {
  test('are given back until they expire', () => {
    const { store, clock } = open();
    const record = nodeRecord(alice);
    keep(store, record, alice);
    expect(store.find(keyOf(record))).toEqual(signRecord(record, alice));
    clock.nowMs = record.expiresAtMs - 1;
    expect(store.find(keyOf(record))).toBeDefined();
    clock.nowMs = record.expiresAtMs;
    expect(store.find(keyOf(record))).toBeUndefined();
    expect(store.size).toBe(0);
  });

  test('go when their signer leaves the network, and strangers have none', () => {
    let isMember = true;
    const { store } = open(() => isMember);
    keep(store, nodeRecord(alice), alice);
    isMember = false;
    expect(store.find(keyOf(nodeRecord(alice)))).toBeUndefined();
    expect(() => keep(store, nodeRecord(bob), bob)).toThrow(
      expect.objectContaining({ code: 'UNAUTHORIZED' }),
    );
    expect(store.size).toBe(0);
  });

  test('are replaced by newer ones only', () => {
    const { store } = open();
    keep(store, nodeRecord(alice, { sequence: 5 }), alice);
    keep(store, nodeRecord(alice, { sequence: 6 }), alice);
    expect(() => keep(store, nodeRecord(alice, { sequence: 5 }), alice)).toThrow(
      expect.objectContaining({ code: 'ALREADY_EXISTS' }),
    );
    // The same record again is a renewal by a third node, not an error.
    keep(store, nodeRecord(alice, { sequence: 6 }), alice);
    expect(store.size).toBe(1);
  });

  test('of one signer are bounded, and make room when they expire', () => {
    const { store, clock } = open();
    for (let shard = 0; shard < DHT_RECORDS_PER_SIGNER; shard++) {
      keep(store, shardRecord(alice, { shard: shard as ShardId }), alice);
    }
    expect(() => keep(store, nodeRecord(alice), alice)).toThrow(expect.objectContaining({ code: 'BUSY' }));
    // A known key needs no room, another signer has its own.
    keep(store, shardRecord(alice, { shard: 3 as ShardId, sequence: 9 }), alice);
    keep(store, nodeRecord(bob), bob);
    clock.nowMs += HOUR_MS;
    keep(store, nodeRecord(alice, { expiresAtMs: clock.nowMs + HOUR_MS }), alice);
    expect(store.size).toBe(1);
  });

  test('are those nearest to the node when there are more than it may keep', () => {
    const { store } = open(undefined, 8);
    const records = Array.from({ length: 30 }, (_, tag) =>
      objectRecord(alice, { object: new Uint8Array(32).fill(tag) as Digest }),
    );
    const codes = records.map((record) => {
      try {
        keep(store, record, alice);
        return 'kept';
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
    const places = records.map((record) => placeOf(keyOf(record)));
    const near = nearest(SELF, places, 8);
    expect(records.filter((record) => store.find(keyOf(record)) !== undefined)).toEqual(
      records.filter((_, index) => near.includes(places[index]!)),
    );
    expect(new Set(codes)).toEqual(new Set(['kept', 'BUSY']));
    expect(store.size).toBe(8);
  });

  test('stay when what would replace them is refused', () => {
    const { store } = open();
    keep(store, objectRecord(alice, { sequence: 1 }), alice);
    for (let shard = 0; shard < DHT_RECORDS_PER_SIGNER; shard++) {
      keep(store, shardRecord(bob, { shard: shard as ShardId }), bob);
    }
    expect(() => keep(store, objectRecord(bob, { sequence: 2 }), bob)).toThrow(
      expect.objectContaining({ code: 'BUSY' }),
    );
    expect(store.find(keyOf(objectRecord(alice)))).toBeDefined();
  });

  test('a slot that changes its signer counts for the new one', () => {
    const { store } = open();
    for (let tag = 0; tag < DHT_RECORDS_PER_SIGNER; tag++) {
      const object = new Uint8Array(32).fill(tag) as Digest;
      keep(store, objectRecord(alice, { object, sequence: 1 }), alice);
      keep(store, objectRecord(bob, { object, sequence: 2 }), bob);
    }
    expect(store.size).toBe(DHT_RECORDS_PER_SIGNER);
    keep(store, nodeRecord(alice), alice);
    expect(() => keep(store, nodeRecord(bob), bob)).toThrow(expect.objectContaining({ code: 'BUSY' }));
  });
});

describe('as the data store of libp2p', () => {
  test('keeps what is wrapped as libp2p wraps it', async () => {
    const { store } = open();
    const record = nodeRecord(alice);
    const wrapped = new Libp2pRecord(keyOf(record), signRecord(record, alice), new Date(NOW_MS)).serialize();
    const name = storeKey(`/dht/record/${base32.encode(keyOf(record)).slice(1)}`);
    await store.datastore.put(name, wrapped);
    expect(await store.datastore.has(name)).toBe(true);
    expect(await store.datastore.get(name)).toEqual(new Uint8Array(wrapped));
    expect(store.find(keyOf(record))).toEqual(signRecord(record, alice));
    await store.datastore.delete(name);
    expect(() => store.datastore.get(name)).toThrow(expect.objectContaining({ name: 'NotFoundError' }));
  });

  test('refuses everything else: provider entries, wrong names, long and broken bytes', () => {
    const { store } = open();
    const record = nodeRecord(alice);
    const wrapped = new Libp2pRecord(keyOf(record), signRecord(record, alice), new Date(NOW_MS)).serialize();
    for (const [name, bytes] of [
      ['/dht/provider/abc', wrapped],
      ['/dht/provider/abc', new Uint8Array([1, 2, 3])],
      ['/dht/record/abc', wrapped],
      [`/dht/record/${base32.encode(keyOf(record)).slice(1)}`, new Uint8Array(10_000)],
      [`/dht/record/${base32.encode(keyOf(record)).slice(1)}`, new Uint8Array(50).fill(0xff)],
    ] as const) {
      expect(() => store.datastore.put(storeKey(name), bytes)).toThrow();
    }
    expect(store.size).toBe(0);
  });
});

function open(isMember: (node: NodeId) => boolean = () => true, recordsMax?: number) {
  const clock = { nowMs: NOW_MS };
  const port = { now: () => clock.nowMs } as Clock;
  return { clock, store: createRecordStore({ ...RULES, isMember }, port, SELF, recordsMax) };
}

function keep(store: RecordStore, record: DhtRecord, signer: Signer): void {
  store.keep(keyOf(record), signRecord(record, signer));
}

/** libp2p's key, of which the store uses the text alone. */
function storeKey(text: string): Parameters<RecordStore['datastore']['get']>[0] {
  return { toString: () => text } as Parameters<RecordStore['datastore']['get']>[0];
}
