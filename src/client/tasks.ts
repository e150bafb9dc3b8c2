// Small pieces of concurrency: a signal under another, a promise settled from outside, work on many items at a
// bounded width. Nothing here knows what the work is.

import { StoreError, toStoreError } from '../base/errors.ts';

export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason: StoreError): void;
  /** Lets go of the parent; call it when the work is over, or the parent's listeners grow. */
  release(): void;
}

/** A signal that fires with its parents, or alone. Its reason is always a StoreError. */
export function linkedAbort(...parents: readonly (AbortSignal | undefined)[]): LinkedAbort {
  const controller = new AbortController();
  const present = parents.filter((parent) => parent !== undefined);
  const follow = (event: Event): void => controller.abort(abortReason(event.target as AbortSignal));
  for (const parent of present) {
    if (parent.aborted) controller.abort(abortReason(parent));
    else parent.addEventListener('abort', follow, { once: true });
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    release: () => {
      for (const parent of present) parent.removeEventListener('abort', follow);
    },
  };
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** A promise settled by whoever holds it. A rejection that nobody waits for is no crash. */
export function deferred<T>(): Deferred<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** Runs `work` on every item, at most `width` at a time. The first failure stops the start of further items and is thrown. */
export async function forEachAtMost<T>(
  items: Iterable<T>,
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let index = 0;
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (;;) {
      const next = hasFailed ? undefined : iterator.next();
      if (next === undefined || next.done === true) return;
      try {
        await work(next.value, index++);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: width }, lane));
  const failed = lanes.find((lane) => lane.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Throws the reason of a fired signal as a StoreError. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal);
}

/** The value of `promise`, or ABORTED as soon as the signal fires: whatever it waits for may never come. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortReason(signal));
    if (signal.aborted) {
      promise.catch(() => undefined);
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Why a signal fired, as the error that the caller sees. */
export function abortReason(signal: AbortSignal): StoreError {
  const reason: unknown = signal.reason;
  return reason instanceof StoreError
    ? reason
    : new StoreError('ABORTED', 'aborted by the caller', { cause: reason });
}

/** `error` as the caller sees it: where a signal ended the work, what the signal says, whoever noticed it first. */
export function failureOf(error: unknown, signal: AbortSignal, context: string): StoreError {
  const failure = toStoreError(error, 'INTERNAL', context);
  return failure.code === 'ABORTED' && signal.aborted ? abortReason(signal) : failure;
}
