// What a client asks of the chain. Everything that comes back was proven against headers that a quorum of known validators signed;
// which nodes were asked plays no part.

import type { StoreError } from '../../base/errors.ts';
import type { Epoch, NetworkId } from '../../base/ids.ts';
import type { Signer } from '../../base/ports.ts';
import type { RefusalCode } from '../../shards/operation.ts';
import type { Action, SignedTransaction } from '../../shards/transaction.ts';
import type { Overlay } from '../../shards/view.ts';

/** Where in the chain an answer stands. */
export interface Moment {
  /** The answer is of the state after this height. */
  readonly height: number;
  /** Of the header that proves it. */
  readonly timeMs: number;
  readonly epoch: Epoch;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
  /** The state after this height or a later one: for reading what one has just written. */
  readonly atLeast?: number;
  /**
   * Hears why, where too few validators answer to be sure that nothing newer is missed: the newest state that can be proven is then read all
   * the same. Without it such a reading fails.
   */
  readonly onStale?: (reason: StoreError) => void;
  /** How long a chain that has not begun is waited for; CHAIN_BEGIN_WAIT_MS where absent. */
  readonly patienceMs?: number;
}

export interface Answer<T> extends Moment {
  readonly value: T;
}

export interface Inclusion {
  readonly height: number;
  /** Why nothing came of it; undefined when it was done. */
  readonly refusal: RefusalCode | undefined;
}

export interface SubmitOptions {
  readonly signal?: AbortSignal;
  /** A height after which the nonce was not used yet, where the caller has read it: else it is read. */
  readonly free?: number;
}

export interface ChainClient {
  readonly network: NetworkId;
  /**
   * `decide` reads records of one proven state; it is called again from the start as often as it reads one that is not loaded
   * yet, so it must be free of effects. Throws what it throws, UNREACHABLE, ABORTED, and PROTOCOL when every node lies.
   */
  read<T>(decide: (state: Overlay, at: Moment) => T, options?: ReadOptions): Promise<Answer<T>>;
  /**
   * Hands in and waits until it is final and what it did can be read. Throws UNREACHABLE, ABORTED, EXPIRED; ALREADY_EXISTS when
   * another transaction took its nonce.
   */
  submit(signed: SignedTransaction, options?: SubmitOptions): Promise<Inclusion>;
  /** Signs one action after the other with the nonces that come next, and submits them together. In their order. */
  perform(
    signer: Signer,
    actions: readonly Action[],
    options?: { readonly signal?: AbortSignal; readonly fee?: bigint },
  ): Promise<readonly Inclusion[]>;
}
