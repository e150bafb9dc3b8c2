// What becomes of objects that lose a name: the chain forgets them when it was the last one, and then their pieces go.

import { short } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { Condition, ObjectReference } from '../shards/name-entry.ts';
import { objectOf } from '../shards/object-record.ts';
import type { Context } from './context.ts';
import type { Membership } from './membership.ts';
import type { NameWrite, ReleaseOutcome, RemoveNameResult } from './name-types.ts';
import { publicUri } from './name-views.ts';
import { formatEtag } from './names/condition.ts';
import type { NamesContext } from './names/context.ts';
import { dropName, type PutName } from './names/name-operations.ts';
import { releaseObject } from './names/object-names.ts';
import { formatNameUri, type NamePath } from './names/path.ts';
import { removeObject, removePieces } from './remove.ts';
import type { StoreChain } from './store-chain.ts';

export interface StoreNamesPorts {
  readonly context: Context;
  readonly membership: Membership;
  readonly chain: StoreChain;
  /** One for all operations, so that what is written at the same time goes in one batch. */
  readonly open: (signal: AbortSignal) => Promise<NamesContext>;
  readonly home: string;
  /** The store's own; ends what goes on behind a call. */
  readonly life: AbortSignal;
  /** Work that the store waits for when it is closed. It never rejects. */
  readonly follow: (work: Promise<unknown>) => void;
}

type Write = Pick<PutName, 'etag' | 'height' | 'isOvertaken' | 'replaced'>;

export function written(
  ports: StoreNamesPorts,
  names: NamesContext,
  path: NamePath,
  write: Write,
): NameWrite {
  const { etag, height, isOvertaken, replaced } = write;
  const released =
    replaced === undefined ? Promise.resolve(undefined) : releaseBehind(ports, names, replaced, height);
  ports.follow(released);
  return { uri: formatNameUri(path), etag: formatEtag(etag), height, isOvertaken, released };
}

async function releaseBehind(
  ports: StoreNamesPorts,
  names: NamesContext,
  reference: ObjectReference,
  height: number,
): Promise<ReleaseOutcome> {
  try {
    return (await release(ports, names, reference, height, ports.life)).released;
  } catch {
    return 'failed';
  }
}

export async function remove(
  ports: StoreNamesPorts,
  names: NamesContext,
  path: NamePath,
  condition: Condition,
  signal: AbortSignal,
): Promise<RemoveNameResult> {
  const { removed, height } = await dropName(names, path, { condition, signal });
  if (removed === undefined) return { ...NOTHING_REMOVED, released: 'unknown' };
  return release(ports, names, removed, height, signal);
}

const NOTHING_REMOVED = { nodes: 0, removedEntries: 0, unreachable: [] } as const;

/** Deletes the object on the chain if it lost its last name, and then its pieces: as long as the chain knows it, it can be read. */
async function release(
  { context, membership }: StoreNamesPorts,
  names: NamesContext,
  reference: ObjectReference,
  height: number,
  signal: AbortSignal,
): Promise<RemoveNameResult> {
  const { object } = reference;
  const { value: record } = await names.chain.read((state) => objectOf(state, object), {
    atLeast: height,
    signal,
  });
  const released = await releaseObject(names, object, height, { signal });
  const [owner, epoch] = [await context.owner.load(), await membership.current(signal)];
  if (record !== undefined && released === 'deleted' && owner !== undefined) {
    const identity = { owner, salt: record.salt, object };
    return { ...(await removePieces(context, epoch, identity, signal)), released };
  }
  if (record !== undefined || released !== 'not-ours') return { ...NOTHING_REMOVED, released };
  // A put that got as far as the name: only the manifest tells whose the object is.
  const uri = { ...publicUri(reference), network: short(context.networkId), key: undefined };
  const pieces = await removeObject(context, epoch, uri, {}, signal, async () => undefined).catch(
    (error: unknown) => {
      if (error instanceof StoreError && error.code !== 'ABORTED') return NOTHING_REMOVED;
      throw error;
    },
  );
  return { ...pieces, released };
}
