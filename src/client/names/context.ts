// What every operation on names works with, and what it makes of it when the chain did not do what it was asked.

import { StoreError, type ErrorCode } from '../../base/errors.ts';
import type { OwnerId } from '../../base/ids.ts';
import { LEDGER_RULES } from '../../shards/ledger.ts';
import type { RefusalCode } from '../../shards/operation.ts';
import type { Operations } from '../../shards/transaction.ts';
import type { ChainClient } from '../chain/types.ts';
import type { NameKeys } from './name-cipher.ts';
import type { WriterPorts } from './batch.ts';
import { createWriter, type Writer } from './writer.ts';

export interface NamesContext {
  readonly chain: ChainClient;
  readonly owner: OwnerId;
  readonly keys: NameKeys;
  readonly writer: Writer;
}

/** One for all operations of a process with this key: they then share batches instead of getting in each other's way. */
export function namesContext(
  ports: WriterPorts,
  keys: NameKeys,
  operations: Operations = LEDGER_RULES.operations,
): NamesContext {
  const { chain, signer } = ports;
  return { chain, owner: signer.publicKey as OwnerId, keys, writer: createWriter(ports, operations) };
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

// ---- Refusals ------------------------------------------------------------------------------------------------

/** What a refusal is called among errors, and what can be done. The others are REFUSED. */
const REFUSALS: Partial<Readonly<Record<RefusalCode, readonly [code: ErrorCode, next: string]>>> = {
  'no-such-bucket': ['NOT_FOUND', 'Create the bucket first.'],
  'no-such-object': ['NOT_FOUND', 'Look at what is there, and decide again.'],
  'no-such-name': ['NOT_FOUND', 'Look at what is there, and decide again.'],
  'already-exists': ['ALREADY_EXISTS', 'Choose another name.'],
  'not-the-owner': ['UNAUTHORIZED', 'Use the key that owns it.'],
  'condition-failed': ['CONDITION_FAILED', 'Look at what is there, and decide again.'],
  'limit-exceeded': ['FULL', 'Remove something first.'],
  'too-early': ['BUSY', 'Try again in a moment.'],
  expired: ['EXPIRED', 'Try again.'],
  'destination-full': ['BUSY', 'Try again in a moment.'],
};

export function refusedBecause(what: string, refusal: RefusalCode): StoreError {
  const [code, next] = REFUSALS[refusal] ?? (['REFUSED', 'Correct what the reason names.'] as const);
  return new StoreError(code, `${what}: the chain refused it (${refusal})`, { next });
}
