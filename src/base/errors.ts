// Every failure a user or a program can meet is a StoreError with a code of this closed list. The message names
// the thing; `next` names the next step. What is a programmer's error is not here: `assert` stops the process.

export const ERROR_CODES = [
  'INVALID_ARGUMENT', // a flag, option or parameter is off
  'INVALID_URI', // not a store:// URI
  'INVALID_CONFIG', // configuration or network file is damaged or inconsistent
  'INVALID_IDENTITY', // key file is damaged, readable by others or of another kind
  'INVALID_ENCODING', // bytes are not the canonical form of what they claim to be
  'INVALID_SIGNATURE', // signature does not verify
  'INTEGRITY', // bytes do not match their digest and no other source had the right ones
  'WRONG_KEY', // the content key does not decrypt the object
  'WRONG_NETWORK', // the peer or object belongs to another network
  'NOT_FOUND', // nobody who answered has it
  'ALREADY_EXISTS', // would overwrite
  'CONDITION_FAILED', // somebody changed it first: it is not what the caller said it must be
  'EXPIRED', // its time was over before it was done
  'REFUSED', // the chain executed the transaction, and its rules do not allow it
  'NOT_ENOUGH_OPERATORS', // the code wants more independent operators than the network has
  'NOT_ENOUGH_PIECES', // fewer than k pieces of a segment could be had
  'NOT_ENOUGH_CONFIRMATIONS', // fewer holders than the quorum stored their piece durably
  'UNAUTHORIZED', // the caller's key does not allow it
  'FULL', // the node's quota or disk reserve is reached
  'DAMAGED', // a node reports that its own copy is damaged
  'BUSY', // a bound on rate, concurrency or memory refused the request
  'TIMEOUT',
  'UNREACHABLE', // no connection to the peer or to any peer
  'ABORTED', // the caller's AbortSignal fired
  'PROTOCOL', // a peer broke the protocol
  'DISK', // the disk failed or refused a write
  'PORT_IN_USE',
  'LOCKED', // another process uses the data folder
  'UNSUPPORTED', // known, but not by this version or machine
  'CLOSED', // the store or node is shutting down
  'INTERNAL', // a defect of ours
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Codes for which the same call may succeed later without the caller changing anything. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BUSY',
  'TIMEOUT',
  'UNREACHABLE',
  'NOT_ENOUGH_PIECES',
  'NOT_ENOUGH_CONFIRMATIONS',
]);

export interface ErrorDetails {
  /** What the user can do about it: one sentence. */
  readonly next?: string;
  readonly cause?: unknown;
}

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: ErrorCode;
  readonly next: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.next = details.next;
  }

  get isRetryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && (ERROR_CODES as readonly string[]).includes(value);
}

/** The StoreError in `error`, or `error` wrapped under `code`; an abort always becomes ABORTED. */
export function toStoreError(error: unknown, code: ErrorCode, context: string): StoreError {
  if (error instanceof StoreError) return error;
  const name = error instanceof Error ? error.name : '';
  const reason = error instanceof Error ? error.message : String(error);
  if (name === 'AbortError') return new StoreError('ABORTED', `${context}: aborted`, { cause: error });
  if (name === 'TimeoutError') return new StoreError('TIMEOUT', `${context}: timed out`, { cause: error });
  return new StoreError(code, `${context}: ${reason}`, { cause: error });
}
