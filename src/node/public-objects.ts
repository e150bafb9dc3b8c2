// Which public objects this node has the manifest of, as it tells the DHT: one signed record per object, never per page or piece, so
// that a reader who asked the members that should have the manifest and got nothing learns of one that has it.
//
// Invariants: at most OBJECT_RECORDS_MAX objects are announced, the newest; what was removed is not announced again, although the
// last record stands until it expires; nobody waits for the DHT to store or to start. All of it is a hint, so what is written
// down for the next start is not synced.

import { z } from 'zod';
import { concat, toHex, toUtf8 } from '../base/bytes.ts';
import { decodeCanonical, encode, uint } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, NodeId } from '../base/ids.ts';
import {
  ANNOUNCE_DELAY_MS,
  DHT_RECORD_LIFETIME_MS,
  LOCATE_LOOKUPS_MAX,
  OBJECT_RECORDS_MAX,
} from '../base/limits.ts';
import type { Clock, KeyValue, KeyValueOperation, PieceLog, Signer } from '../base/ports.ts';
import type { NodeDirectory } from '../dht/directory.ts';
import { objectKey, type ObjectRecord, signRecord } from '../dht/record.ts';
import { recordKey } from './entry-keys.ts';
import type { Membership } from './membership.ts';

export interface PublicObjectsPorts {
  readonly clock: Clock;
  readonly log: Pick<PieceLog, 'stat'>;
  readonly keyValue: KeyValue;
  readonly signer: Signer;
  readonly membership: Pick<Membership, 'network' | 'member'>;
  readonly directory?: Pick<NodeDirectory, 'find' | 'maintain'> | undefined;
}

export interface PublicObjects {
  /** The manifest of a public object is durable here. */
  stored(manifest: Digest): void;
  /** These records are gone; most of them were never announced. */
  removed(records: readonly Digest[]): void;
  /** Signed records of nodes that say they have the manifest, this one first. Never fails: knowing none is an answer. */
  locate(manifest: Digest, signal: AbortSignal): Promise<readonly Uint8Array[]>;
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

interface Announced {
  readonly manifest: Digest;
  readonly storedAtMs: number;
  /** Ends its renewal; undefined before it was said for the first time. */
  end: (() => void) | undefined;
}

const PREFIX: Uint8Array = toUtf8('public/');
/** The byte after '/', so that every key of the prefix comes before it. */
const END: Uint8Array = toUtf8('public0');
const rowSchema = z.tuple([uint()]);
const ROW_LENGTH_MAX = 16;

/** Takes up in the background what was announced before the last stop. */
export function openPublicObjects(ports: PublicObjectsPorts): PublicObjects {
  const { clock, log, keyValue, signer, membership, directory } = ports;
  const node = signer.publicKey as NodeId;
  /** Oldest first. */
  let announced = new Map<string, Announced>();
  /** What was announced before the last stop, while it is being read. */
  const older = new Map<string, Announced>();
  let changes = new Map<string, KeyValueOperation>();
  let cancel: (() => void) | undefined;
  let lookups = 0;
  let isStopped = false;

  function recordOf(manifest: Digest, sequence: number, expiresAtMs: number): ObjectRecord | undefined {
    if (membership.member(node) === undefined) return undefined;
    return { kind: 'object', network: membership.network, node, sequence, expiresAtMs, object: manifest };
  }

  function forget(manifest: Digest): void {
    const name = toHex(manifest);
    const entry = announced.get(name) ?? older.get(name);
    if (entry === undefined) return;
    entry.end?.();
    announced.delete(name);
    older.delete(name);
    changes.set(name, { kind: 'delete', key: concat(PREFIX, manifest) });
    schedule();
  }

  function keepNewest(): void {
    for (const { manifest } of [...announced.values()].slice(0, -OBJECT_RECORDS_MAX)) forget(manifest);
  }

  /** Of many objects within a moment only those are announced and written down that stay. */
  function schedule(): void {
    if (isStopped) return;
    cancel ??= clock.timer(ANNOUNCE_DELAY_MS, () => {
      cancel = undefined;
      void writeDown();
      for (const entry of announced.values()) {
        const { manifest } = entry;
        entry.end ??= directory?.maintain((sequence, expiresAtMs) =>
          recordOf(manifest, sequence, expiresAtMs),
        );
      }
    });
  }

  let written: Promise<unknown> = Promise.resolve();
  function writeDown(): Promise<unknown> {
    const operations = [...changes.values()];
    changes = new Map();
    // A state folder that fails shows itself elsewhere; here only a hint is lost.
    if (operations.length > 0)
      written = written.then(() => keyValue.batch(operations)).catch(() => undefined);
    return written;
  }

  async function restore(): Promise<void> {
    for await (const [key, value] of keyValue.range(PREFIX, END, OBJECT_RECORDS_MAX)) {
      const manifest = key.slice(PREFIX.length) as Digest;
      const isThere = (await log.stat(recordKey(manifest)).catch(() => undefined)) !== undefined;
      const storedAtMs = isThere ? storedAt(value) : undefined;
      if (storedAtMs !== undefined) older.set(toHex(manifest), { manifest, storedAtMs, end: undefined });
      else if (!announced.has(toHex(manifest))) changes.set(toHex(manifest), { kind: 'delete', key });
    }
    // What was stored meanwhile is newer.
    const rows = [...older].sort(([, a], [, b]) => a.storedAtMs - b.storedAtMs);
    older.clear();
    announced = new Map([...rows.filter(([name]) => !announced.has(name)), ...announced]);
    keepNewest();
    schedule();
  }

  const restored = restore().catch(() => undefined);

  async function find(manifest: Digest, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (directory === undefined || lookups >= LOCATE_LOOKUPS_MAX) return undefined;
    lookups += 1;
    try {
      return await directory.find(objectKey(manifest), signal);
    } catch {
      return undefined;
    } finally {
      lookups -= 1;
    }
  }

  return {
    stored(manifest) {
      const name = toHex(manifest);
      if (isStopped || announced.has(name)) return;
      const storedAtMs = clock.now();
      announced.set(name, { manifest, storedAtMs, end: undefined });
      changes.set(name, { kind: 'put', key: concat(PREFIX, manifest), value: encode([storedAtMs]) });
      keepNewest();
      schedule();
    },
    removed(records) {
      for (const record of records) forget(record);
    },
    async locate(manifest, signal) {
      const nowMs = clock.now();
      const isOwn = announced.has(toHex(manifest));
      const own = isOwn ? recordOf(manifest, nowMs, nowMs + DHT_RECORD_LIFETIME_MS) : undefined;
      const found = await find(manifest, signal);
      const ownBytes = own === undefined ? undefined : signRecord(own, signer);
      return [ownBytes, found].filter((record) => record !== undefined);
    },
    async stop() {
      isStopped = true;
      cancel?.();
      for (const { end } of announced.values()) end?.();
      await restored;
      await writeDown();
    },
  };
}

function storedAt(row: Uint8Array): number | undefined {
  try {
    return decodeCanonical(rowSchema, row, ROW_LENGTH_MAX, 'public object')[0];
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}
