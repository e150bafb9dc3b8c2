// Transactions that wait for a block, of the whole network, at one node. Decides and remembers, and that is all: callers say what the chain
// says of a sender and which height it is. Nothing is kept on disk: who sent a transaction sends it again.
//
// When there is no room, what is worth least goes: first what no block can take because a nonce before it is missing, then what pays least
// for a byte (`pool-account.ts`), at equal prices what the account has that keeps most without it, and of equals the newest.
// That is always the last of its sender, so nobody's earlier transactions are worth less for it. A newcomer that
// would itself have to go is refused, and nothing changed: no transaction ever makes room for a cheaper one.
//
// Invariants: count and bytes are within the limits, and those of each account within its own; what waits is above the head's nonce
// and height as far as the pool was told.

import { assert } from '../../base/assert.ts';
import { toHex } from '../../base/bytes.ts';
import type { StoreError } from '../../base/errors.ts';
import type { Digest, OwnerId } from '../../base/ids.ts';
import {
  POOL_ACCOUNT_LENGTH_MAX,
  POOL_ACCOUNT_TRANSACTIONS_MAX,
  POOL_LENGTH_MAX,
  POOL_TRANSACTIONS_MAX,
  TRANSACTION_LIFETIME_BLOCKS_MAX,
} from '../../base/limits.ts';
import type { SignedTransaction } from '../../shards/transaction.ts';
import { comparePrices, PoolAccount, type Waiting, waitingOf } from './pool-account.ts';
import { type AdmissionFacts, type AdmissionLimits, refusal, refusalOf } from './pool-admission.ts';
import { byFirst, chooseCandidates } from './pool-candidates.ts';
import { PoolIndex } from './pool-index.ts';
import { RankedHeap } from './ranked-heap.ts';

export interface PoolLimits extends AdmissionLimits {
  readonly transactions: number;
  readonly bytes: number;
  readonly accountBytes: number;
}

const LIMITS: PoolLimits = {
  transactions: POOL_TRANSACTIONS_MAX,
  bytes: POOL_LENGTH_MAX,
  accountTransactions: POOL_ACCOUNT_TRANSACTIONS_MAX,
  accountBytes: POOL_ACCOUNT_LENGTH_MAX,
  lifetimeBlocks: TRANSACTION_LIFETIME_BLOCKS_MAX,
};

export type Admission =
  /** `shed` made room for it. */
  | { readonly kind: 'added'; readonly shed: readonly SignedTransaction[] }
  /** Took the place of another with its nonce. */
  | {
      readonly kind: 'replaced';
      readonly replaced: SignedTransaction;
      readonly shed: readonly SignedTransaction[];
    }
  /** It waits already. */
  | { readonly kind: 'known' }
  | { readonly kind: 'refused'; readonly error: StoreError };

export interface Included {
  readonly id: Digest;
  readonly sender: OwnerId;
  readonly nonce: number;
}

/** What the chain says of an account, at the head. */
export interface AccountNow {
  readonly sender: OwnerId;
  /** That the next transaction of the sender carries. */
  readonly nonce: number;
  /** In native tokens; when absent, it is taken to be enough. */
  readonly balance?: bigint;
}

export class TransactionPool {
  readonly #limits: PoolLimits;
  readonly #accounts = new Map<string, PoolAccount>();
  readonly #index = new PoolIndex();
  readonly #byFirst = new RankedHeap<PoolAccount>(byFirst);
  readonly #byLoss: RankedHeap<PoolAccount>;
  #height = 0;
  #arrivals = 0;

  constructor(limits: PoolLimits = LIMITS) {
    this.#limits = limits;
    this.#byLoss = new RankedHeap((a, b) => byWorth(a.last, b.last) || this.#byShare(a, b));
  }

  get size(): number {
    return this.#index.size;
  }

  get bytes(): number {
    return this.#index.bytes;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  has(id: Digest): boolean {
    return this.#index.get(id) !== undefined;
  }

  /** Whether anything of `sender` waits. */
  waitsFor(sender: OwnerId): boolean {
    return this.#accounts.has(toHex(sender));
  }

  get(id: Digest): SignedTransaction | undefined {
    return this.#index.get(id)?.signed;
  }

  /** Everything, each sender's by nonce: for somebody who has nothing yet. */
  *[Symbol.iterator](): Iterator<SignedTransaction> {
    for (const account of this.#accounts.values()) for (const { signed } of account.all) yield signed;
  }

  /** For a block: at most `limitBytes` of encoded transactions, and `limitCount` of them. */
  candidates(limitBytes: number, limitCount: number): readonly SignedTransaction[] {
    return chooseCandidates(this.#byFirst, limitBytes, limitCount);
  }

  /**
   * Lets a transaction wait whose signature was checked. Refused with EXPIRED, INVALID_ARGUMENT (expires too late, fee too low or not payable), CONDITION_FAILED
   * (nonce used), ALREADY_EXISTS (nonce waits, and this one pays too little to replace it), BUSY (too much of its sender waits)
   * or FULL (all that waits is worth as much).
   */
  add(signed: SignedTransaction, facts: AdmissionFacts): Admission {
    if (this.has(signed.id)) return { kind: 'known' };
    this.#height = Math.max(this.#height, facts.height);
    const sender = toHex(signed.transaction.sender);
    const account = this.#accounts.get(sender) ?? new PoolAccount(sender, facts.nonce);
    this.#advance(account, facts.nonce);
    const error = refusalOf(signed, { ...facts, height: this.#height }, account, this.#limits);
    if (error !== undefined) return { kind: 'refused', error };
    return this.#admit(waitingOf(account, signed, this.#arrivals++));
  }

  /**
   * The head has `height` now. What the block included leaves; so does what lost its nonce to another, what expired and what can no longer be paid,
   * and these are given. `accounts` are those that changed: who empties its account keeps nothing waiting that no block could take.
   */
  committed(
    height: number,
    included: readonly Included[],
    accounts: readonly AccountNow[] = [],
  ): readonly SignedTransaction[] {
    const ids = new Set(included.map(({ id }) => toHex(id)));
    const next = new Map<string, number>();
    const used = included.map(({ sender, nonce }): AccountNow => ({ sender, nonce: nonce + 1 }));
    for (const { sender, nonce } of [...used, ...accounts]) {
      next.set(toHex(sender), Math.max(nonce, next.get(toHex(sender)) ?? 0));
    }
    const past = [...next].flatMap(([sender, nonce]) => {
      const account = this.#accounts.get(sender);
      return account === undefined ? [] : this.#advance(account, nonce);
    });
    const expired = this.#expire(height);
    const unpayable = accounts.flatMap((account) => this.#dropUnpayable(account));
    const gone = [...past, ...expired, ...unpayable].map(({ signed }) => signed);
    return gone.filter(({ id }) => !ids.has(toHex(id)));
  }

  /** The least fees have changed: what pays less than `leastFee` for its length leaves, and is given. */
  raiseFees(leastFee: (lengthBytes: number) => bigint): readonly SignedTransaction[] {
    const below = [...this.#index.all].filter(
      ({ signed }) => signed.transaction.fee < leastFee(signed.lengthBytes),
    );
    for (const waiting of below) this.#delete(waiting);
    return below.map(({ signed }) => signed);
  }

  // ---- Room --------------------------------------------------------------------------------------------------

  #admit(newcomer: Waiting): Admission {
    const { account, signed } = newcomer;
    const rival = account.withNonce(signed.transaction.nonce);
    if (rival !== undefined) this.#delete(rival);
    this.#put(newcomer);
    const shed: Waiting[] = [];
    for (;;) {
      const excess = this.#excess(account, signed);
      if (excess === undefined) break;
      const { last } = excess.of;
      this.#delete(last);
      if (last === newcomer) {
        for (const waiting of [...shed, ...(rival === undefined ? [] : [rival])]) this.#put(waiting);
        return { kind: 'refused', error: excess.refusal };
      }
      shed.push(last);
    }
    const made = { shed: shed.map((waiting) => waiting.signed) };
    return rival === undefined
      ? { kind: 'added', ...made }
      : { kind: 'replaced', replaced: rival.signed, ...made };
  }

  /** Who has to give up its last, while there is more than may be, and what the newcomer is told if it is that. */
  #excess(
    account: PoolAccount,
    newcomer: SignedTransaction,
  ): { readonly of: PoolAccount; readonly refusal: StoreError } | undefined {
    const { accountBytes, transactions, bytes } = this.#limits;
    if (account.bytes > accountBytes) {
      const what = `${account.bytes} bytes of its sender would wait, at most ${accountBytes} may`;
      return {
        of: account,
        refusal: refusal('BUSY', newcomer, what, 'Send it when earlier ones are included.'),
      };
    }
    if (this.size <= transactions && this.bytes <= bytes) return undefined;
    const of = this.#byLoss.first;
    assert(of !== undefined, 'a pool with too much has something');
    const what = 'the pool is full, and nothing in it is worth less';
    return {
      of,
      refusal: refusal('FULL', newcomer, what, 'Pay a higher fee for each byte, or try again later.'),
    };
  }

  /** At equal worth, whose account keeps most without its last gives it up; of equals, who came last. */
  #byShare(a: PoolAccount, b: PoolAccount): number {
    return this.#shareWithoutLast(b) - this.#shareWithoutLast(a) || b.last.arrival - a.last.arrival;
  }

  /** Of the pool, in count or in bytes, whichever is more: over one denominator. */
  #shareWithoutLast(account: PoolAccount): number {
    const { transactions, bytes } = this.#limits;
    const bytesWithout = account.bytes - account.last.signed.lengthBytes;
    return Math.max((account.count - 1) * bytes, bytesWithout * transactions);
  }

  // ---- What waits --------------------------------------------------------------------------------------------

  #put(waiting: Waiting): void {
    waiting.account.put(waiting);
    this.#index.add(waiting);
    this.#settle(waiting.account);
  }

  #delete(waiting: Waiting): void {
    waiting.account.delete(waiting);
    this.#index.delete(waiting);
    this.#settle(waiting.account);
  }

  #advance(account: PoolAccount, next: number): readonly Waiting[] {
    const past = account.advance(next);
    for (const waiting of past) this.#index.delete(waiting);
    if (past.length > 0 || this.#accounts.has(account.sender)) this.#settle(account);
    return past;
  }

  #expire(height: number): readonly Waiting[] {
    this.#height = Math.max(this.#height, height);
    const expired = this.#index.expiring(this.#height);
    for (const waiting of expired) this.#delete(waiting);
    return expired;
  }

  /** From the last on, until the account can pay for all that is left. */
  #dropUnpayable({ sender, balance }: AccountNow): readonly Waiting[] {
    const account = this.#accounts.get(toHex(sender));
    const dropped: Waiting[] = [];
    if (account === undefined || balance === undefined) return dropped;
    while (account.fees > balance) {
      const { last } = account;
      this.#delete(last);
      dropped.push(last);
    }
    return dropped;
  }

  /** After a change of an account, before anything else is asked. */
  #settle(account: PoolAccount): void {
    if (account.count > 0) {
      this.#accounts.set(account.sender, account);
      this.#byFirst.put(account);
      this.#byLoss.put(account);
    } else {
      this.#accounts.delete(account.sender);
      this.#byFirst.delete(account);
      this.#byLoss.delete(account);
    }
  }
}

/** What is worth least comes first. */
function byWorth(a: Waiting, b: Waiting): number {
  return Number(a.isReady) - Number(b.isReady) || comparePrices(a.price, b.price);
}
