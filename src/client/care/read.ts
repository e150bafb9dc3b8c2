// Reads what the chain says of objects, a bounded part at a time. Of a long object the parts may be of states a few heights apart: what is told is told as of
// the last one.

import { fromHex, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { ObjectId } from '../../base/ids.ts';
import { bucketListOf } from '../../shards/bucket.ts';
import type { ObjectRecord } from '../../shards/object-record.ts';
import type { Answer, ChainClient, Moment, ReadOptions } from '../chain/types.ts';
import { createHealth } from '../health.ts';
import { nameIn } from '../names/directory-reader.ts';
import { listNames } from '../names/name-listing.ts';
import { formatNameUri, isNameUri, parseNameUri, RESERVED_PREFIX } from '../names/path.ts';
import { openObject } from '../object-reader.ts';
import { ownedObjects } from '../owned-objects.ts';
import type { StoreNamesPorts } from '../name-release.ts';
import type { CallEvents } from '../types.ts';
import { parseUri } from '../uri.ts';
import {
  type Holders,
  holdersOf,
  type NetworkFacts,
  networkFacts,
  objectRecordOf,
  partCount,
  type PartFacts,
  partFacts,
} from './object-facts.ts';

/** Records of segments in one reading: 16 MiB at most. */
const PARTS_AT_ONCE = 256;

export interface Target {
  readonly object: ObjectId;
  /** The name by which it was found. */
  readonly uri: string | undefined;
}

export interface ObjectPart extends PartFacts {
  readonly record: ObjectRecord;
  readonly network: NetworkFacts;
  readonly holders: Holders;
  readonly moment: Moment;
}

/** Reads go on when most validators are down, and say so. */
export function readingWith({ onNotice }: CallEvents, signal: AbortSignal): ReadOptions {
  const onStale = ({ message }: StoreError): void =>
    onNotice?.({ kind: 'chain-behind', message: `what is shown may be old: ${message}` });
  return { signal, onStale };
}

/** The object that a name, the URI of an object or its id in hex stands for. Throws INVALID_URI, NOT_FOUND, and what looking throws. */
export async function resolveTarget(
  { context, membership, open, chain }: StoreNamesPorts,
  text: string,
  events: CallEvents,
  signal: AbortSignal,
): Promise<Target> {
  if (/^[0-9a-f]{64}$/.test(text)) return { object: fromHex(text) as ObjectId, uri: undefined };
  if (isNameUri(text)) {
    const path = parseNameUri(text);
    const names = await open(signal);
    const client = await chain.open(signal);
    const { value } = await client.read(
      (state) => nameIn(state, names, path).entry?.object.object,
      readingWith(events, signal),
    );
    if (value !== undefined) return { object: value, uri: text };
    throw new StoreError('NOT_FOUND', `there is no ${text}`, { next: 'Look with "store ls".' });
  }
  const uri = parseUri(text, context.networkId);
  const epoch = await membership.current(signal, events);
  const health = createHealth(context.clock, context.timing);
  const { object } = await openObject(context, epoch, uri, health, signal, (event) =>
    events.onNotice?.(event),
  );
  return { object, uri: undefined };
}

/** The object's segments in order. An object without any gives one empty part. Throws NOT_FOUND, and what reading throws. */
export async function* objectParts(
  client: ChainClient,
  object: ObjectId,
  options: ReadOptions,
): AsyncGenerator<ObjectPart> {
  for (let from = 0, count = 1; from < count; from += PARTS_AT_ONCE) {
    const { value, ...moment }: Answer<Omit<ObjectPart, 'moment'>> = await client.read((state) => {
      const record = objectRecordOf(state, object);
      const network = networkFacts(state, client.network);
      const to = Math.min(partCount(record), from + PARTS_AT_ONCE);
      const part = partFacts(state, object, record, from, to);
      return { ...part, record, network, holders: holdersOf(state, network, record, part.segments) };
    }, options);
    count = partCount(value.record);
    yield { ...value, moment };
  }
}

/** Every object that a name of this key stands for, and what this home has put without one; each once. */
export async function* ownedTargets(
  { context, home, open, chain }: StoreNamesPorts,
  events: CallEvents,
  signal: AbortSignal,
): AsyncGenerator<Target> {
  const seen = new Set<string>();
  const isNew = (object: ObjectId): boolean =>
    !seen.has(toHex(object)) && seen.add(toHex(object)).has(toHex(object));
  if ((await context.owner.load()) !== undefined) {
    const names = await open(signal);
    const client = await chain.open(signal);
    const { value: buckets } = await client.read(
      (state) => bucketListOf(state, names.owner),
      readingWith(events, signal),
    );
    for (const bucket of buckets.filter((name) => !name.startsWith(RESERVED_PREFIX))) {
      let token: string | undefined;
      do {
        const more = token === undefined ? {} : { continuationToken: token };
        const listing = await listNames(names, bucket, { ...readingWith(events, signal), ...more });
        for (const { key, entry } of listing.names) {
          const { object } = entry.object;
          if (isNew(object)) yield { object, uri: formatNameUri({ bucket, key }) };
        }
        token = listing.next;
      } while (token !== undefined);
    }
  }
  for (const object of await ownedObjects(home, context.networkId)) {
    if (isNew(object)) yield { object, uri: undefined };
  }
}
