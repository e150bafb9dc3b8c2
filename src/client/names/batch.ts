// What an owner's program wants to be done, decided on one proven state, signed with the nonces that follow and handed in together.
//
// Because only the owner's transactions change the owner's names, and nonces put those in one order, more is known afterwards than that a
// transaction was included: whether anything came between the state that was decided on and it (`isNext`).
//
// Two programs that decide the same on the same state would sign the very same transaction, and each take it for its own. So a part of its
// lifetime is drawn by lot.

import { StoreError, toStoreError } from '../../base/errors.ts';
import type { Digest, OwnerId } from '../../base/ids.ts';
import { TRANSACTION_LIFETIME_BLOCKS } from '../../base/limits.ts';
import type { Random, Signer } from '../../base/ports.ts';
import { accountOf } from '../../shards/account.ts';
import type { RefusalCode } from '../../shards/operation.ts';
import { parametersOf } from '../../shards/parameters.ts';
import { leastFee, type LedgerParams } from '../../shards/rules.ts';
import type { StateKey } from '../../shards/state-key.ts';
import {
  type Action,
  type Operations,
  signTransaction,
  type SignedTransaction,
} from '../../shards/transaction.ts';
import { MissingRecords, type Overlay } from '../../shards/view.ts';
import type { ChainClient, Inclusion, Moment } from '../chain/types.ts';
import { failureOf, type LinkedAbort, linkedAbort } from '../tasks.ts';

export interface Plan<T> {
  readonly action: Action;
  /** What the decision was based on, for whoever judges what came of it. */
  readonly basis: T;
}

export interface Job<T> {
  /** What it is about: jobs that share one take turns. */
  readonly subjects: readonly string[];
  /** Free of effects, as `ChainClient.read` asks. What it throws ends the job, and nothing is handed in. */
  decide(state: Overlay, at: Moment): Plan<T>;
}

export interface Written<T> {
  readonly id: Digest;
  readonly nonce: number;
  /** Of the block that has it. */
  readonly height: number;
  /** By the sender's home, as nodes say: no header binds it. What became of it at other homes, their records tell. */
  readonly refusal: RefusalCode | undefined;
  readonly basis: T;
  /** No other transaction of the account came between the state that was decided on and this one, but for those about other subjects. */
  readonly isNext: boolean;
}

/** What became of a job. */
export type Outcome =
  | { readonly kind: 'written'; readonly written: Written<unknown> }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** Another program used the nonce: nothing has happened. */
  | { readonly kind: 'overtaken' };

export interface WriterPorts {
  readonly chain: ChainClient;
  readonly signer: Signer;
  readonly random: Random;
}

/** Of the owner's account, in the state that is decided on. */
interface Account {
  readonly nonce: number;
  readonly params: LedgerParams;
}

interface Decided {
  readonly account: Account;
  /** Of each job: its plan, or why there is none. */
  readonly plans: readonly (Plan<unknown> | Failed)[];
}

type Failed = Outcome & { readonly kind: 'failed' };

interface Sent {
  readonly signed: SignedTransaction;
  readonly inclusion: Promise<Inclusion | { readonly error: StoreError }>;
}

export interface BatchOutcome {
  readonly outcomes: readonly Outcome[];
  /** Of the state that was decided on. */
  readonly decidedAt: number;
}

/**
 * Never rejects because of a job, but for what reading the state throws. When one of the transactions cannot be handed in, those behind it, which
 * would wait for its nonce, are given up with the same failure; they may still be included.
 */
export async function runBatch(
  { chain, signer, random }: WriterPorts,
  operations: Operations,
  jobs: readonly Job<unknown>[],
  { atLeast, signal }: { readonly atLeast: number; readonly signal: AbortSignal },
): Promise<BatchOutcome> {
  const owner = signer.publicKey as OwnerId;
  const decide = (state: Overlay, at: Moment): Decided => decideAll(state, at, owner, jobs);
  const known = await chain.read(decide, { atLeast, signal });
  // The chain looks again at what is handed in. What is not, because something is or is not there, must be so in the newest state.
  const isFinal = known.value.plans.every((plan) => !('kind' in plan));
  const { value, height } = isFinal ? known : await chain.read(decide, { signal });
  const { account, plans } = value;
  let { nonce } = account;
  const signed = plans.map((plan) => {
    if ('kind' in plan) return undefined;
    const expiresAtHeight = height + lifetimeBlocks(random);
    const about = { network: chain.network, sender: owner, nonce: nonce++, expiresAtHeight };
    return sign({ ...about, action: plan.action }, account.params, operations, signer);
  });
  const sent = submitAll(chain, signed, height, signal);
  const outcomes: Outcome[] = [];
  let isNext = true;
  for (const [index, plan] of plans.entries()) {
    if ('kind' in plan) {
      outcomes.push(plan);
      continue;
    }
    const outcome = await conclude(sent[index]!, plan, isNext);
    if (outcome.kind !== 'written') isNext = false;
    outcomes.push(outcome);
  }
  return { outcomes, decidedAt: height };
}

// ---- Deciding ------------------------------------------------------------------------------------------------

/** All on one state; what is not loaded is asked for together. */
function decideAll(state: Overlay, at: Moment, owner: OwnerId, jobs: readonly Job<unknown>[]): Decided {
  const missing: StateKey[] = [];
  const attempt = <T>(read: () => T): T | Failed => {
    try {
      return read();
    } catch (error) {
      if (error instanceof MissingRecords) missing.push(...error.keys);
      return { kind: 'failed', error };
    }
  };
  const account = attempt(() => accountIn(state, owner));
  const plans = jobs.map((job) => attempt(() => job.decide(state, at)));
  if (missing.length > 0) throw new MissingRecords(missing);
  if ('kind' in account) throw account.error;
  return { account, plans };
}

function accountIn(state: Overlay, owner: OwnerId): Account {
  const { fees, receiptLifetimeBlocks } = parametersOf(state);
  const params = { feePerTransaction: fees.perTransaction, feePerByte: fees.perByte, receiptLifetimeBlocks };
  return { nonce: accountOf(state, owner).nonce, params };
}

// ---- Signing -------------------------------------------------------------------------------------------------

/** By which the encoding of a fee may be longer than that of none. */
const FEE_LENGTH = 8;

function sign(
  transaction: Omit<SignedTransaction['transaction'], 'fee'>,
  params: LedgerParams,
  operations: Operations,
  signer: Signer,
): SignedTransaction {
  const free = signTransaction({ ...transaction, fee: 0n }, operations, signer);
  const fee = leastFee(params, free.lengthBytes + FEE_LENGTH);
  return fee === 0n ? free : signTransaction({ ...transaction, fee }, operations, signer);
}

/** Half of it at least. */
function lifetimeBlocks(random: Random): number {
  const [high, low] = random.bytes(2);
  const half = TRANSACTION_LIFETIME_BLOCKS / 2;
  return half + (((high! << 8) | low!) % half);
}

// ---- Handing in ----------------------------------------------------------------------------------------------

function submitAll(
  chain: ChainClient,
  all: readonly (SignedTransaction | undefined)[],
  decidedAt: number,
  signal: AbortSignal,
): readonly (Sent | undefined)[] {
  const aborts: LinkedAbort[] = [];
  return all.map((signed) => {
    if (signed === undefined) return undefined;
    const abort = linkedAbort(signal);
    const place = aborts.push(abort);
    const inclusion = chain
      .submit(signed, { signal: abort.signal, free: decidedAt })
      .catch((error: unknown) => {
        const failure = failureOf(error, abort.signal, 'write');
        if (failure.code !== 'ALREADY_EXISTS') for (const later of aborts.slice(place)) later.abort(failure);
        return { error: failure };
      })
      .finally(() => abort.release());
    return { signed, inclusion };
  });
}

async function conclude({ signed, inclusion }: Sent, plan: Plan<unknown>, isNext: boolean): Promise<Outcome> {
  const included = await inclusion;
  if ('error' in included) {
    const error = toStoreError(included.error, 'INTERNAL', 'write');
    return error.code === 'ALREADY_EXISTS' ? { kind: 'overtaken' } : { kind: 'failed', error };
  }
  const { height, refusal } = included;
  const { id, transaction } = signed;
  const { nonce } = transaction;
  return { kind: 'written', written: { id, nonce, height, refusal, basis: plan.basis, isNext } };
}
