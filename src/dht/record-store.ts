// The records that a node keeps for the others, in memory: they live hours, and their makers renew them. libp2p's DHT
// reads and writes it as its data store, and every record passes through `put`, whoever sent it.
//
// Invariants: every record kept passed `checkRecord`; the newest of a key is never replaced by an older one; at most
// DHT_RECORDS_PER_SIGNER of one signer and DHT_RECORDS_MAX in all; an expired record is never given out. Nothing but records is
// kept: libp2p's own provider records would come here too, and are refused.

import type { KadDHTComponents } from '@libp2p/kad-dht';
import { Libp2pRecord } from '@libp2p/record';
import { base32 } from 'multiformats/bases/base32';
import { equal, short, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import { DHT_RECORD_LENGTH_MAX, DHT_RECORDS_MAX, DHT_RECORDS_PER_SIGNER } from '../base/limits.ts';
import type { Clock } from '../base/ports.ts';
import { compareDistance, placeOf } from './keyspace.ts';
import { checkRecord, compareAge, type DhtRecord, type RecordRules } from './record.ts';

type Datastore = KadDHTComponents['datastore'];
type StoreKey = Parameters<Datastore['get']>[0];

export interface RecordStore {
  /** What libp2p's DHT is given as its data store. */
  readonly datastore: Datastore;
  /** Keeps a record as if a peer had sent it. Throws as `checkRecord`, or BUSY, ALREADY_EXISTS. */
  keep(key: Uint8Array, record: Uint8Array): void;
  /** The record under a DHT key, when there is one in force. */
  find(key: Uint8Array): Uint8Array | undefined;
  readonly size: number;
}

interface Kept {
  readonly record: DhtRecord;
  readonly bytes: Uint8Array;
  /** libp2p's wrapping of it: key, value, time received. */
  readonly wrapped: Uint8Array;
  readonly place: Digest;
}

/** Where the DHT is told to keep its entries; records then lie under `/dht/record/<key in base32>`. */
export const STORE_PREFIX = '/dht';
/** Key and time that libp2p wraps around a record. */
const WRAPPING_LENGTH_MAX = 512;

/** `self` is this node's own place, by which it decides what to keep when there is more than it may keep. */
export function createRecordStore(
  rules: RecordRules,
  clock: Clock,
  self: Digest,
  recordsMax: number = DHT_RECORDS_MAX,
): RecordStore {
  const kept = new Map<string, Kept>();
  const counts = new Map<string, number>();

  function put(name: string, wrapped: Uint8Array): void {
    if (wrapped.length > DHT_RECORD_LENGTH_MAX + WRAPPING_LENGTH_MAX)
      throw new StoreError('PROTOCOL', 'record too long');
    const { key, value } = Libp2pRecord.deserialize(wrapped);
    if (nameOf(key) !== name) throw new StoreError('UNSUPPORTED', 'only signed records are kept here');
    const record = checkRecord(key, value, rules, clock.now());
    const known = inForce(name);
    if (known !== undefined && compareAge(known.record, record, known.bytes, value) > 0) {
      throw new StoreError('ALREADY_EXISTS', `a newer ${record.kind} record is known`);
    }
    makeRoom(key, record, known?.record);
    drop(name);
    counts.set(toHex(record.node), countOf(record) + 1);
    kept.set(name, {
      record,
      bytes: new Uint8Array(value),
      wrapped: new Uint8Array(wrapped),
      place: placeOf(key),
    });
  }

  /** Room for `record` beside all that stays: `known` is what it replaces. */
  function makeRoom(key: Uint8Array, record: DhtRecord, known: DhtRecord | undefined): void {
    const isNewOfSigner = known === undefined || !equal(known.node, record.node);
    const isSignerFull = (): boolean => isNewOfSigner && countOf(record) >= DHT_RECORDS_PER_SIGNER;
    const isFull = (): boolean => known === undefined && kept.size >= recordsMax;
    if (isSignerFull() || isFull()) for (const name of kept.keys()) inForce(name);
    if (isSignerFull())
      throw new StoreError('BUSY', `${short(record.node)} has as many records here as a node may have`);
    if (isFull() && !evictFartherThan(placeOf(key)))
      throw new StoreError('BUSY', 'no room for a record so far away');
  }

  /** A node keeps what is near to it: there it is looked for. Drops the farthest record if it is farther than `place`. */
  function evictFartherThan(place: Digest): boolean {
    let farthest: readonly [string, Kept] | undefined;
    for (const entry of kept) {
      if (farthest === undefined || compareDistance(self, entry[1].place, farthest[1].place) > 0)
        farthest = entry;
    }
    if (farthest === undefined || compareDistance(self, farthest[1].place, place) <= 0) return false;
    drop(farthest[0]);
    return true;
  }

  /** The record under a name; one that expired, or whose signer left the network, is dropped. */
  function inForce(name: string): Kept | undefined {
    const entry = kept.get(name);
    if (entry === undefined) return undefined;
    if (entry.record.expiresAtMs > clock.now() && rules.isMember(entry.record.node)) return entry;
    drop(name);
    return undefined;
  }

  function drop(name: string): void {
    const entry = kept.get(name);
    if (entry === undefined) return;
    kept.delete(name);
    const rest = countOf(entry.record) - 1;
    if (rest > 0) counts.set(toHex(entry.record.node), rest);
    else counts.delete(toHex(entry.record.node));
  }

  function countOf(record: DhtRecord): number {
    return counts.get(toHex(record.node)) ?? 0;
  }

  return {
    datastore: asDatastore(put, (name) => inForce(name)?.wrapped, drop),
    keep: (key, record) => put(nameOf(key), new Libp2pRecord(key, record, new Date(clock.now())).serialize()),
    find: (key) => inForce(nameOf(key))?.bytes,
    get size() {
      return kept.size;
    },
  };
}

function nameOf(key: Uint8Array): string {
  return `${STORE_PREFIX}/record/${base32.encode(key).slice(1)}`;
}

/** libp2p's interface over three functions; what its DHT never calls is not there. */
function asDatastore(
  put: (name: string, bytes: Uint8Array) => void,
  get: (name: string) => Uint8Array | undefined,
  drop: (name: string) => void,
): Datastore {
  const unsupported = (): never => {
    throw new StoreError('UNSUPPORTED', 'the DHT keeps records one by one');
  };
  return {
    has: (key) => get(key.toString()) !== undefined,
    get: (key: StoreKey) => {
      const bytes = get(key.toString());
      // libp2p tells a missing entry from a failure by this name.
      if (bytes === undefined) throw Object.assign(new Error('no such record'), { name: 'NotFoundError' });
      return bytes;
    },
    put: (key: StoreKey, bytes: Uint8Array) => {
      put(key.toString(), bytes);
      return key;
    },
    delete: (key: StoreKey) => drop(key.toString()),
    // Asked for provider records only, of which there are none.
    query: async function* () {},
    queryKeys: async function* () {},
    putMany: unsupported,
    getMany: unsupported,
    deleteMany: unsupported,
    batch: unsupported,
  };
}
