// One place where what libp2p throws becomes a StoreError. It throws Errors, DOMExceptions, and sometimes the event
// object itself (a rejected write is a StreamAbortEvent whose `error` holds the cause); none of them says what failed.

import { type ErrorCode, StoreError } from '../../base/errors.ts';

/** The StoreError inside `thrown`, or one of `code` that starts with `context`. */
export function controlFailure(thrown: unknown, code: ErrorCode, context: string): StoreError {
  const cause = causeOf(thrown);
  if (cause instanceof StoreError) return cause;
  const name = cause instanceof Error ? cause.name : '';
  if (name === 'TimeoutError') return new StoreError('TIMEOUT', `${context}: timed out`, { cause });
  return new StoreError(code, `${context}: ${reasonOf(cause)}`, { cause });
}

/** UNREACHABLE, whatever ended the connection: a time limit of libp2p is none of the caller's. */
export function connectionLost(thrown: unknown, context: string): StoreError {
  const cause = causeOf(thrown);
  if (cause instanceof StoreError) return cause;
  return new StoreError('UNREACHABLE', `${context}: ${reasonOf(cause)}`, { cause });
}

/** The error inside an event, an aggregate of one, or the thing itself. */
function causeOf(thrown: unknown): unknown {
  if (thrown instanceof Error) return thrown.cause instanceof StoreError ? thrown.cause : thrown;
  if (typeof thrown === 'object' && thrown !== null && 'error' in thrown) return causeOf(thrown.error);
  return thrown;
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(causeOf(cause.errors[0]));
  if (cause instanceof Error) return cause.message === '' ? cause.name : cause.message;
  if (typeof cause === 'object' && cause !== null && 'type' in cause) return String(cause.type);
  return typeof cause === 'string' ? cause : 'connection lost';
}

/**
 * What `run` gives, unless `signal` fires first: then the StoreError that is the signal's reason, TIMEOUT when its time ran out, or
 * ABORTED. What `run` does afterwards is dropped.
 */
export async function unlessAborted<T>(run: Promise<T>, signal: AbortSignal, context: string): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => stopped.reject(controlFailure(signal.reason, 'ABORTED', context));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([run, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
