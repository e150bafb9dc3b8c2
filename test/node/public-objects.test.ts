import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import type { Member } from '../../src/base/epoch.ts';
import type { Digest, NodeId } from '../../src/base/ids.ts';
import { ANNOUNCE_DELAY_MS, LOCATE_LOOKUPS_MAX, OBJECT_RECORDS_MAX } from '../../src/base/limits.ts';
import { createDirectory, type NodeDirectory } from '../../src/dht/directory.ts';
import { checkRecord, objectKey, signRecord } from '../../src/dht/record.ts';
import { recordKey } from '../../src/node/entry-keys.ts';
import { openPublicObjects, type PublicObjects } from '../../src/node/public-objects.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { MemoryLog } from '../../src/runtime/memory-log.ts';
import { digestFrom, sampleEpoch, sampleMember, sampleMembers, signerFrom } from '../helpers/records.ts';

const { network } = sampleEpoch(sampleMembers(1));
const signer = signerFrom('node 0');
const HOUR_MS = 3_600_000;
const NONE = new Uint8Array(0);
const signal = new AbortController().signal;

let log: MemoryLog;
let keyValue: MemoryKeyValue;
let directory: NodeDirectory;
/** Digests in the order in which they were published, in hex. */
let published: string[];
let records: Map<string, Uint8Array>;
let isMember: boolean;
let objects: PublicObjects;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  [log, keyValue, published, records, isMember] = [
    new MemoryLog(),
    new MemoryKeyValue(),
    [],
    new Map(),
    true,
  ];
  objects = open();
});
afterEach(async () => {
  await close();
  vi.useRealTimers();
});

function open(find?: () => Promise<Uint8Array | undefined>): PublicObjects {
  directory = createDirectory({
    clock: systemClock,
    sign: (record) => signRecord(record, signer),
    kademlia: {
      put: async (key, record) => {
        published.push(new TextDecoder().decode(key).slice(-64));
        return records.set(toHex(key), record).size;
      },
      get: find ?? (async (key) => records.get(toHex(key))),
    },
  });
  const member = (): Member | undefined => (isMember ? sampleMember(0) : undefined);
  const membership = { network, member };
  return openPublicObjects({ clock: systemClock, log, keyValue, signer, membership, directory });
}

async function close(): Promise<void> {
  await objects.stop();
  directory.close();
}

/** Stores a manifest as the record service does. */
async function store(name: string): Promise<Digest> {
  const digest = digestFrom(name);
  await log.put({ key: recordKey(digest), meta: NONE, payload: toUtf8(name) });
  objects.stored(digest);
  return digest;
}

const passes = (timeMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(timeMs);
const names = (...texts: string[]): string[] => texts.map((text) => toHex(digestFrom(text)));

describe('the manifest of a public object', () => {
  test('is announced by a record that passes every check, and again before that expires', async () => {
    const digest = await store('a');
    await passes(ANNOUNCE_DELAY_MS);
    const rules = { network, verify: nativeVerify, isMember: () => true };
    const bytes = records.get(toHex(objectKey(digest)))!;
    const { expiresAtMs } = checkRecord(objectKey(digest), bytes, rules, Date.now());
    await passes(expiresAtMs - Date.now() - 1);
    expect(published.length).toBeGreaterThan(2);
    checkRecord(objectKey(digest), records.get(toHex(objectKey(digest)))!, rules, expiresAtMs);
  });

  test('is announced once however often it is stored', async () => {
    await store('a');
    await passes(ANNOUNCE_DELAY_MS);
    await store('a');
    await passes(HOUR_MS);
    expect(published).toEqual(names('a'));
  });

  test('that is removed is announced no more, nor after a restart', async () => {
    const digest = await store('a');
    await passes(HOUR_MS);
    await log.remove([recordKey(digest)]);
    objects.removed([digest, digestFrom('some page')]);
    await passes(48 * HOUR_MS);
    await close();
    objects = open();
    await passes(48 * HOUR_MS);
    expect(published).toEqual(names('a'));
    records.clear();
    expect(await objects.locate(digest, signal)).toEqual([]);
  });

  test('is not announced by a node that is no member, until it is one', async () => {
    isMember = false;
    const digest = await store('a');
    await passes(HOUR_MS);
    expect(published).toEqual([]);
    expect(await objects.locate(digest, signal)).toEqual([]);
    isMember = true;
    directory.refresh();
    await passes(1);
    expect(published).toEqual(names('a'));
  });
});

test('of many only the newest are announced, and those of a burst that do not stay are never sent', async () => {
  const all = Array.from({ length: 3 * OBJECT_RECORDS_MAX }, (_, index) => `object ${index}`);
  for (const name of all) await store(name);
  await passes(HOUR_MS);
  expect(published).toEqual(names(...all.slice(-OBJECT_RECORDS_MAX)));
  published = [];
  await store('one more');
  await passes(5 * HOUR_MS);
  expect(published[0]).toBe(names('one more')[0]);
  expect(new Set(published).size).toBe(OBJECT_RECORDS_MAX);
  expect(published).not.toContain(names(all.at(-OBJECT_RECORDS_MAX)!)[0]);
});

describe('after a restart', () => {
  test('what was announced is announced again, the oldest giving way first; what the disk lost is not', async () => {
    const old = Array.from({ length: OBJECT_RECORDS_MAX }, (_, index) => `object ${index}`);
    for (const name of old) {
      await store(name);
      await passes(1000);
    }
    await close();
    await log.remove([recordKey(digestFrom(old[7]!))]);
    published = [];
    objects = open();
    await store('new');
    await store('newer');
    await passes(HOUR_MS);
    const kept = old.filter((_, index) => index !== 7).slice(1);
    expect(published).toEqual(names(...kept, 'new', 'newer'));
  });

  test('damaged notes are dropped and the others taken', async () => {
    await store('a');
    await passes(HOUR_MS);
    await close();
    await log.put({ key: recordKey(digestFrom('b')), meta: NONE, payload: NONE });
    const key = new Uint8Array([...toUtf8('public/'), ...digestFrom('b')]);
    await keyValue.batch([{ kind: 'put', key, value: toUtf8('rubbish') }]);
    published = [];
    objects = open();
    await passes(HOUR_MS);
    expect(published).toEqual(names('a'));
    expect(await keyValue.get(key)).toBeUndefined();
  });
});

describe('who has a manifest', () => {
  test('is answered with this node’s own record and the one that the DHT has', async () => {
    const digest = await store('a');
    const other = signRecord(
      {
        kind: 'object',
        network,
        node: signerFrom('node 1').publicKey as NodeId,
        sequence: 1,
        expiresAtMs: Date.now() + HOUR_MS,
        object: digest,
      },
      signerFrom('node 1'),
    );
    records.set(toHex(objectKey(digest)), other);
    const [own, found] = await objects.locate(digest, signal);
    const rules = { network, verify: nativeVerify, isMember: () => true };
    expect(checkRecord(objectKey(digest), own!, rules, Date.now()).node).toEqual(signer.publicKey);
    expect(found).toEqual(other);
    expect(await objects.locate(digestFrom('unknown'), signal)).toEqual([]);
  });

  test('is answered without the DHT when it fails, or when it is being asked for many', async () => {
    await close();
    objects = open(() => Promise.reject(new Error('no way')));
    const digest = await store('a');
    expect((await objects.locate(digest, signal)).length).toBe(1);
    await close();
    let lookups = 0;
    objects = open(() => {
      lookups += 1;
      return new Promise(() => undefined);
    });
    await passes(0);
    const stuck = Array.from({ length: LOCATE_LOOKUPS_MAX }, () => objects.locate(digest, signal));
    expect((await objects.locate(digest, signal)).length).toBe(1);
    expect(lookups).toBe(LOCATE_LOOKUPS_MAX);
    await passes(60_000);
    expect((await Promise.all(stuck)).every((answer) => answer.length === 1)).toBe(true);
  });
});
