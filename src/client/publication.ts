// A put under a name: what was uploaded comes onto the chain, and the name stands for it. Registration and name are consecutive
// transactions of one batch where the object fits into one; a longer object is registered first.
//
// Invariant: when this has failed for certain (`isUndone`), nothing on the chain speaks of the object, and its pieces can go. When it is not certain,
// everything stays: a name that may still come to stand for the object must not find it gone.

import { type ErrorCode, StoreError, toStoreError } from '../base/errors.ts';
import type { ContentKey } from '../base/ids.ts';
import type { Condition, ObjectReference } from '../shards/name-entry.ts';
import { objectOf } from '../shards/object-record.ts';
import { segmentCount } from '../shards/object-shape.ts';
import type { Action } from '../shards/transaction.ts';
import { NameConflict } from './names/condition.ts';
import type { NamesContext } from './names/context.ts';
import { wrapKey } from './names/name-cipher.ts';
import { dropName, putName, type PutName } from './names/name-operations.ts';
import { releaseObject } from './names/object-names.ts';
import type { NamePath } from './names/path.ts';
import { registerFrom, registrationActions, type UploadedObject } from './names/registration.ts';
import type { Publication } from './uploaded.ts';

export interface NamedPublication extends Publication {
  /** What the write did, once `publish` has resolved. */
  written(): PutName;
}

export function publishAs(context: NamesContext, path: NamePath, condition: Condition): NamedPublication {
  let written: PutName | undefined;
  let isUndone = false;
  return {
    isTaken: async (object, signal) => {
      const { value } = await context.chain.read((state) => objectOf(state, object) !== undefined, {
        signal,
      });
      return value;
    },
    publish: async (uploaded, key, signal) => {
      const naming: Naming = { context, path, condition, uploaded, signal };
      try {
        written = await publish(naming, key);
      } catch (error) {
        const failure = toStoreError(error, 'INTERNAL', 'put');
        isUndone = isCertain(failure) && (await takeBack(naming));
        throw failure;
      }
    },
    isUndone: () => isUndone,
    written: () => written!,
  };
}

interface Naming {
  readonly context: NamesContext;
  readonly path: NamePath;
  readonly condition: Condition;
  readonly uploaded: UploadedObject;
  readonly signal: AbortSignal;
}

async function publish(naming: Naming, key: ContentKey | undefined): Promise<PutName> {
  const { context, path, condition, uploaded, signal } = naming;
  const reference = referenceOf(context, uploaded, key);
  const first = await firstPart(uploaded);
  const register = (): Promise<unknown> => registerFrom(context, uploaded, first, { signal });
  if (!isWhole(uploaded, first)) {
    await register();
    return putName(context, path, reference, { condition, signal });
  }
  // Both are handed to the writer at once, so they have nonces side by side and cost the time of one.
  const [registered, named] = await Promise.allSettled([
    register(),
    putName(context, path, reference, { condition, signal }),
  ]);
  if (registered.status === 'fulfilled' && named.status === 'fulfilled') return named.value;
  if (named.status === 'rejected') throw named.reason;
  await restore(naming, named.value);
  throw (registered as PromiseRejectedResult).reason;
}

function referenceOf(
  { keys }: NamesContext,
  { object, manifest, shape }: UploadedObject,
  key: ContentKey | undefined,
): ObjectReference {
  const wrappedKey = key === undefined ? new Uint8Array(0) : wrapKey(keys, object, key);
  return { manifest: manifest.digest, object, lengthBytes: shape.lengthBytes, wrappedKey };
}

async function firstPart(uploaded: UploadedObject): Promise<Action> {
  const { value } = await registrationActions(uploaded).next();
  return value as Action;
}

function isWhole({ shape }: UploadedObject, first: Action): boolean {
  const { segments } = first.parameters as { readonly segments: readonly unknown[] };
  return segments.length === segmentCount(shape);
}

// ---- Taking back ---------------------------------------------------------------------------------------------

/** The name stands for an object that the chain does not know: what was there before comes back, unless somebody else has written meanwhile. */
async function restore({ context, path, signal }: Naming, put: PutName): Promise<void> {
  const condition: Condition = { kind: 'match', etag: put.etag };
  try {
    if (put.replaced === undefined) await dropName(context, path, { condition, signal });
    else await putName(context, path, put.replaced, { condition, signal });
  } catch (error) {
    const isGone = error instanceof StoreError && ['CONDITION_FAILED', 'NOT_FOUND'].includes(error.code);
    if (!isGone) throw uncertain(error);
  }
}

/**
 * Failures after which the name certainly does not stand for the object: what the state that was decided on says, or what the chain has
 * answered. None with which a node may refuse a transaction (FULL, INVALID_ARGUMENT, EXPIRED), for another may have taken it.
 */
const CERTAIN: ReadonlySet<ErrorCode> = new Set(['NOT_FOUND', 'REFUSED', 'UNAUTHORIZED']);

function isCertain(failure: StoreError): boolean {
  if (failure instanceof NameConflict) return !failure.mayHaveHappened;
  return CERTAIN.has(failure.code);
}

function uncertain(cause: unknown): StoreError {
  return new StoreError('UNREACHABLE', 'the name could not be set back to what it stood for before', {
    cause,
    next: 'Put the object again.',
  });
}

/** Whether the chain has forgotten the object, or never knew it. */
async function takeBack({ context, uploaded, signal }: Naming): Promise<boolean> {
  try {
    const outcome = await releaseObject(context, uploaded.object, 0, { signal });
    return outcome === 'deleted' || outcome === 'not-ours';
  } catch {
    return false;
  }
}
