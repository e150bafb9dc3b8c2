// Takes what an owner wants to be done to the chain. Everything that comes while a batch is under way makes the next batch: it is decided
// on one proven state, signed with the nonces that follow, and handed in together.
//
// Because only the owner's transactions change the owner's names, and nonces put those in one order, a writer knows more than that it was
// included: whether anything came in between the state on which it decided and its own transaction (`isNext`). When another program
// that uses the account was faster, the decision is made again on the newer state.
//
// Two programs that decide the same on the same state would sign the very same transaction, and each take it for its own. So a part of its
// lifetime is drawn by lot.
//
// Actions about the same thing are never in one batch: the second is decided when the first has been included.

import { StoreError, toStoreError } from '../../base/errors.ts';
import type { Digest, OwnerId } from '../../base/ids.ts';
import { TRANSACTION_LIFETIME_BLOCKS, WRITE_BATCH_MAX, WRITE_TRIES_MAX } from '../../base/limits.ts';
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
  /** By the sender's home; what other homes made of it, their records tell. */
  readonly refusal: RefusalCode | undefined;
  readonly basis: T;
  /** No other transaction of the account came between the state that was decided on and this one, but for those about other subjects. */
  readonly isNext: boolean;
}

export interface Writer {
  /**
   * Resolves when it is final. Throws what `decide` throws, UNREACHABLE, ABORTED, EXPIRED, and BUSY when other programs
   * that use the account are always faster.
   */
  write<T>(job: Job<T>, signal?: AbortSignal): Promise<Written<T>>;
}

interface Waiting {
  readonly job: Job<unknown>;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (written: Written<unknown>) => void;
  readonly reject: (error: unknown) => void;
  tries: number;
}

interface Decided {
  readonly nonce: number;
  readonly params: LedgerParams;
  /** Of each job: its plan, or why there is none. */
  readonly plans: readonly (Plan<unknown> | { readonly error: unknown })[];
}

interface Sent {
  readonly waiting: Waiting;
  readonly plan: Plan<unknown>;
  readonly signed: SignedTransaction;
  readonly outcome: Inclusion | { readonly error: unknown };
}

export interface WriterPorts {
  readonly chain: ChainClient;
  readonly signer: Signer;
  readonly random: Random;
}

export function createWriter({ chain, signer, random }: WriterPorts, operations: Operations): Writer {
  const owner = signer.publicKey as OwnerId;
  let queue: Waiting[] = [];
  let isRunning = false;
  /** What is decided on knows of everything that this writer has done. */
  let atLeast = 0;

  const run = async (): Promise<void> => {
    isRunning = true;
    while (queue.length > 0) {
      const batch = nextBatch(queue);
      queue = queue.filter((waiting) => !batch.includes(waiting));
      try {
        await writeBatch(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isRunning = false;
  };

  const writeBatch = async (batch: readonly Waiting[]): Promise<void> => {
    const { value, height } = await chain.read((state, at) => decideAll(state, at, owner, batch), {
      atLeast,
    });
    const sent: Promise<Sent>[] = [];
    for (const [index, waiting] of batch.entries()) {
      const plan = value.plans[index]!;
      if ('error' in plan) waiting.reject(plan.error);
      else if (waiting.signal?.aborted === true) waiting.reject(abortOf(waiting.signal));
      else {
        const place = { nonce: value.nonce + sent.length, expiresAtHeight: height + lifetimeBlocks(random) };
        const signed = sign(plan.action, place, value.params);
        sent.push(submit(waiting, plan, signed));
      }
    }
    atLeast = Math.max(atLeast, height);
    conclude(await Promise.all(sent), height);
  };

  const sign = (
    action: Action,
    place: { readonly nonce: number; readonly expiresAtHeight: number },
    params: LedgerParams,
  ): SignedTransaction => {
    const transaction = { network: chain.network, sender: owner, action, ...place };
    const free = signTransaction({ ...transaction, fee: 0n }, operations, signer);
    // A fee may take eight bytes more than none.
    const fee = leastFee(params, free.lengthBytes + 8);
    return fee === 0n ? free : signTransaction({ ...transaction, fee }, operations, signer);
  };

  const submit = async (waiting: Waiting, plan: Plan<unknown>, signed: SignedTransaction): Promise<Sent> => {
    const { signal } = waiting;
    try {
      const outcome = await chain.submit(signed, signal === undefined ? {} : { signal });
      return { waiting, plan, signed, outcome };
    } catch (error) {
      return { waiting, plan, signed, outcome: { error } };
    }
  };

  const conclude = (sent: readonly Sent[], decidedAt: number): void => {
    const again: Waiting[] = [];
    let isNext = true;
    for (const { waiting, plan, signed, outcome } of sent) {
      if (!('error' in outcome)) {
        const { height, refusal } = outcome;
        atLeast = Math.max(atLeast, height);
        const { id, transaction } = signed;
        waiting.resolve({ id, nonce: transaction.nonce, height, refusal, basis: plan.basis, isNext });
        continue;
      }
      isNext = false;
      const error = toStoreError(outcome.error, 'INTERNAL', 'write');
      if (error.code !== 'ALREADY_EXISTS') waiting.reject(error);
      else if (++waiting.tries >= WRITE_TRIES_MAX) waiting.reject(crowded());
      else {
        again.push(waiting);
        atLeast = Math.max(atLeast, decidedAt + 1);
      }
    }
    queue = [...again, ...queue];
  };

  return {
    write: <T>(job: Job<T>, signal?: AbortSignal): Promise<Written<T>> => {
      const { promise, resolve, reject } = Promise.withResolvers<Written<unknown>>();
      queue.push({ job, signal, resolve, reject, tries: 0 });
      if (!isRunning) void run();
      return promise as Promise<Written<T>>;
    },
  };
}

/** From the front, as many as fit, of which no two are about the same; what is about something that waits in front waits too. */
function nextBatch(queue: readonly Waiting[]): readonly Waiting[] {
  const taken = new Set<string>();
  const batch: Waiting[] = [];
  for (const waiting of queue) {
    if (batch.length === WRITE_BATCH_MAX) break;
    const { subjects } = waiting.job;
    if (!subjects.some((subject) => taken.has(subject))) batch.push(waiting);
    for (const subject of subjects) taken.add(subject);
  }
  return batch;
}

/** All on one state; what is not loaded is asked for together. */
function decideAll(state: Overlay, at: Moment, owner: OwnerId, batch: readonly Waiting[]): Decided {
  const missing: StateKey[] = [];
  const attempt = <T>(read: () => T): T | { readonly error: unknown } => {
    try {
      return read();
    } catch (error) {
      if (error instanceof MissingRecords) missing.push(...error.keys);
      return { error };
    }
  };
  const common = attempt(() => ({ nonce: accountOf(state, owner).nonce, params: paramsIn(state) }));
  const plans = batch.map(({ job }) => attempt(() => job.decide(state, at)));
  if (missing.length > 0) throw new MissingRecords(missing);
  if ('error' in common) throw common.error;
  return { ...common, plans };
}

/** Half of it at least. */
function lifetimeBlocks(random: Random): number {
  const [high, low] = random.bytes(2);
  const half = TRANSACTION_LIFETIME_BLOCKS / 2;
  return half + (((high! << 8) | low!) % half);
}

function paramsIn(state: Overlay): LedgerParams {
  const { fees, receiptLifetimeBlocks } = parametersOf(state);
  return { feePerTransaction: fees.perTransaction, feePerByte: fees.perByte, receiptLifetimeBlocks };
}

function abortOf(signal: AbortSignal): StoreError {
  return new StoreError('ABORTED', 'write: aborted', { cause: signal.reason });
}

function crowded(): StoreError {
  return new StoreError('BUSY', 'other programs use the same key all the time and were always faster', {
    next: 'Try again, or let one program at a time write with this key.',
  });
}
