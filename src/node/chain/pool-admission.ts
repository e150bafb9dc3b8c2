// Whether a transaction may wait at all, by what the chain says of its sender now and by what the sender has waiting already.
// Signature and network were checked before; whether there is room is the pool's question.

import { assert } from '../../base/assert.ts';
import { short } from '../../base/bytes.ts';
import { type ErrorCode, StoreError } from '../../base/errors.ts';
import type { SignedTransaction } from '../../shards/transaction.ts';
import { type PoolAccount, priceOf } from './pool-account.ts';

/** What the chain says, at the head. */
export interface AdmissionFacts {
  /** Of the sender: the nonce that a block takes next. */
  readonly nonce: number;
  /** Of the sender, in native tokens. When absent, whether it can pay shows in the block. */
  readonly balance?: bigint;
  /** Of the head: the next block has one more. */
  readonly height: number;
  /** What a transaction of this length pays at least. */
  readonly leastFee: bigint;
}

export interface AdmissionLimits {
  /** Nonces from the sender's next on that may wait. */
  readonly accountTransactions: number;
  /** Blocks ahead at which a transaction may expire. */
  readonly lifetimeBlocks: number;
}

/** Why it may not wait; undefined when nothing speaks against it. `account` knows the sender's next nonce. */
export function refusalOf(
  signed: SignedTransaction,
  facts: AdmissionFacts,
  account: PoolAccount,
  limits: AdmissionLimits,
): StoreError | undefined {
  return (
    expiryRefusal(signed, facts, limits) ??
    nonceRefusal(signed, account, limits) ??
    feeRefusal(signed, facts, account)
  );
}

function expiryRefusal(
  signed: SignedTransaction,
  { height }: AdmissionFacts,
  { lifetimeBlocks }: AdmissionLimits,
): StoreError | undefined {
  const { expiresAtHeight } = signed.transaction;
  if (expiresAtHeight <= height) {
    const what = `expired at height ${expiresAtHeight}, and the chain is at ${height}`;
    return refusal('EXPIRED', signed, what, 'Sign it again with a later height of expiry.');
  }
  if (expiresAtHeight <= height + lifetimeBlocks) return undefined;
  const what = `expires at height ${expiresAtHeight}, which is more than ${lifetimeBlocks} blocks ahead`;
  return refusal('INVALID_ARGUMENT', signed, what, `Let it expire at ${height + lifetimeBlocks} or before.`);
}

function nonceRefusal(
  signed: SignedTransaction,
  { next }: PoolAccount,
  { accountTransactions }: AdmissionLimits,
): StoreError | undefined {
  const { nonce } = signed.transaction;
  if (nonce < next) {
    const what = `another transaction has its nonce ${nonce}: the next of its sender is ${next}`;
    return refusal('CONDITION_FAILED', signed, what, `Sign it again with nonce ${next}.`);
  }
  if (nonce < next + accountTransactions) return undefined;
  const what = `nonce ${nonce} is too far ahead: the next of its sender is ${next}`;
  const advice = `At most ${accountTransactions} of an account wait: send it when earlier ones are included.`;
  return refusal('BUSY', signed, what, advice);
}

function feeRefusal(
  signed: SignedTransaction,
  { leastFee, balance }: AdmissionFacts,
  account: PoolAccount,
): StoreError | undefined {
  const { fee, nonce } = signed.transaction;
  if (fee < leastFee) {
    const what = `fee ${fee} is below the least of ${leastFee}`;
    return refusal('INVALID_ARGUMENT', signed, what, `Sign it again with a fee of ${leastFee} or more.`);
  }
  const rival = account.withNonce(nonce)?.signed;
  if (rival !== undefined && fee < feeToReplace(rival, signed)) {
    const what = `another transaction with nonce ${nonce} waits`;
    const advice = `To replace it, sign again with a fee of ${feeToReplace(rival, signed)} or more.`;
    return refusal('ALREADY_EXISTS', signed, what, advice);
  }
  const fees = account.fees - (rival?.transaction.fee ?? 0n) + fee;
  if (balance === undefined || fees <= balance) return undefined;
  const what = `its sender has ${balance} and cannot pay fees of ${fees}, those of what waits already included`;
  return refusal('INVALID_ARGUMENT', signed, what, 'Fund the account, or sign again with a lower fee.');
}

/**
 * A tenth more, and more by one at least: replacing costs everybody as much as a new transaction. For each byte no less than before, so that
 * a long one does not take the place of a short one for a tenth of its fee.
 */
function feeToReplace(rival: SignedTransaction, by: SignedTransaction): bigint {
  const { fee, lengthBytes } = priceOf(rival);
  assert(lengthBytes > 0n, 'a transaction has bytes');
  const tenthMore = fee + (fee < 10n ? 1n : (fee + 9n) / 10n);
  const samePrice = (fee * BigInt(by.lengthBytes) + lengthBytes - 1n) / lengthBytes;
  return tenthMore > samePrice ? tenthMore : samePrice;
}

export function refusal(code: ErrorCode, { id }: SignedTransaction, what: string, next: string): StoreError {
  return new StoreError(code, `transaction ${short(id)}: ${what}`, { next });
}
