// Remove: the owner's word, sent to every member, because pieces may have moved since they were placed. A node that
// cannot be reached keeps its bytes until it is asked again; the result names it.

import { equal, toHex } from '../base/bytes.ts';
import type { EpochRecord } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { ObjectId, OwnerId } from '../base/ids.ts';
import type { RemoveObject } from '../replication/messages.ts';
import { signRemove } from '../replication/ticket.ts';
import { sendRemove } from './calls.ts';
import type { Context } from './context.ts';
import { createHealth } from './health.ts';
import { openObject } from './object-reader.ts';
import type { ObjectIdentity } from './records.ts';
import { forEachAtMost, linkedAbort, throwIfAborted } from './tasks.ts';
import type { CallEvents, RemoveResult } from './types.ts';
import type { ObjectUri } from './uri.ts';

const ASKED_AT_ONCE = 16;

/**
 * `forget` comes first: holders answer for what the chain says they hold. Throws UNAUTHORIZED unless this home's owner key owns the object, what finding its
 * manifest throws, and what `forget` does.
 */
export async function removeObject(
  context: Context,
  epoch: EpochRecord,
  uri: ObjectUri,
  options: CallEvents,
  signal: AbortSignal,
  forget: (object: ObjectId) => Promise<void>,
): Promise<RemoveResult> {
  const owner = await context.owner.load();
  const health = createHealth(context.clock, context.timing);
  const { manifest, object } = await openObject(context, epoch, uri, health, signal, (event) =>
    options.onNotice?.(event),
  );
  if (owner === undefined || !equal(owner.publicKey, manifest.owner)) {
    throw new StoreError('UNAUTHORIZED', `the object belongs to owner ${toHex(manifest.owner).slice(0, 8)}`, {
      next: 'Remove it from the home that put it: only the key of its owner can.',
    });
  }
  await forget(object);
  return removePieces(context, epoch, { owner, salt: manifest.salt, object }, signal);
}

/** Asks every member, without looking for the manifest. The salt says that the owner is the object's. Throws ABORTED. */
export async function removePieces(
  context: Context,
  epoch: EpochRecord,
  identity: Pick<ObjectIdentity, 'owner' | 'salt' | 'object'>,
  signal: AbortSignal,
): Promise<RemoveResult> {
  const request = requestOf(context, identity);
  let nodes = 0;
  let removedEntries = 0;
  const unreachable: string[] = [];
  await forEachAtMost(epoch.members, ASKED_AT_ONCE, async ({ node }) => {
    try {
      const removed = await sendRemove(context, node, request, signal);
      removedEntries += removed;
      nodes++;
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof StoreError)) throw error;
      unreachable.push(toHex(node));
    }
  });
  return { nodes, removedEntries, unreachable: unreachable.sort() };
}

/**
 * Takes back what a failed put has left, as far as the nodes it was sent to answer within `limitMs`: no manifest
 * names those pieces, so nobody else would ever remove them. Never rejects.
 */
export async function withdrawObject(
  context: Context,
  identity: ObjectIdentity,
  limitMs: number,
): Promise<void> {
  const limit = linkedAbort();
  const cancel = context.clock.timer(limitMs, () =>
    limit.abort(new StoreError('TIMEOUT', 'withdrawing took too long')),
  );
  const request = requestOf(context, identity);
  try {
    await forEachAtMost(identity.sentTo, ASKED_AT_ONCE, async (node) => {
      if (!limit.signal.aborted) await sendRemove(context, node, request, limit.signal).catch(() => 0);
    });
  } finally {
    cancel();
    limit.release();
  }
}

function requestOf(
  context: Context,
  { owner, salt, object }: Pick<ObjectIdentity, 'owner' | 'salt' | 'object'>,
): RemoveObject {
  return {
    owner: owner.publicKey as OwnerId,
    objectSalt: salt,
    ticket: signRemove(context.networkId, object, owner),
  };
}
