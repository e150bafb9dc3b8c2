// What one sender has waiting in the pool, by nonce, and what each of it is worth to whoever makes a block.
//
// A block takes a sender's transactions in the order of their nonces, so one is worth what the cheapest up to it pays for a byte, and
// nothing is taken behind a nonce that is missing. Invariants: nonces ascend and are not below `next`; along them
// `isReady` never becomes true again and `price` never rises. The last is therefore always the one that is worth least.

import { assert } from '../../base/assert.ts';
import type { SignedTransaction } from '../../shards/transaction.ts';

/** Compared as fractions, in integers. */
export interface Price {
  readonly fee: bigint;
  readonly lengthBytes: bigint;
}

export interface Waiting {
  readonly signed: SignedTransaction;
  readonly account: PoolAccount;
  /** Which number of the pool's arrivals it was. */
  readonly arrival: number;
  /** All nonces from the sender's next up to this one wait here too. */
  isReady: boolean;
  /** Least for a byte among the sender's up to this one. */
  price: Price;
  /** How many of the sender's go before it at the same price: senders take turns. */
  turn: number;
}

export class PoolAccount {
  /** Hex digits of the key. */
  readonly sender: string;
  readonly #waiting: Waiting[] = [];
  #next: number;
  #bytes = 0;
  #fees = 0n;

  constructor(sender: string, next: number) {
    this.sender = sender;
    this.#next = next;
  }

  /** The nonce that a block takes next. */
  get next(): number {
    return this.#next;
  }

  get count(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What all of it pays. */
  get fees(): bigint {
    return this.#fees;
  }

  get first(): Waiting {
    return this.#at(0);
  }

  get last(): Waiting {
    return this.#at(this.#waiting.length - 1);
  }

  get all(): readonly Waiting[] {
    return this.#waiting;
  }

  withNonce(nonce: number): Waiting | undefined {
    const waiting = this.#waiting[this.#placeOf(nonce)];
    return waiting?.signed.transaction.nonce === nonce ? waiting : undefined;
  }

  /** What a block can take behind `waiting`. */
  readyAfter({ signed }: Waiting): Waiting | undefined {
    const following = this.#waiting[this.#placeOf(signed.transaction.nonce) + 1];
    return following?.isReady === true ? following : undefined;
  }

  /** The nonce is free and not below `next`. */
  put(waiting: Waiting): void {
    const { signed } = waiting;
    const { nonce, fee } = signed.transaction;
    assert(
      nonce >= this.#next && this.withNonce(nonce) === undefined,
      'a nonce waits once, until it is past',
    );
    const place = this.#placeOf(nonce);
    this.#waiting.splice(place, 0, waiting);
    this.#bytes += signed.lengthBytes;
    this.#fees += fee;
    this.#rank(place);
  }

  delete(waiting: Waiting): void {
    const place = this.#placeOf(waiting.signed.transaction.nonce);
    assert(this.#waiting[place] === waiting, 'it waits here');
    this.#waiting.splice(place, 1);
    this.#forget(waiting);
    this.#rank(place);
  }

  /** Gives what waits below the new next nonce, which does not wait any more. */
  advance(next: number): readonly Waiting[] {
    if (next <= this.#next) return [];
    this.#next = next;
    const past = this.#waiting.splice(0, this.#placeOf(next));
    for (const waiting of past) this.#forget(waiting);
    this.#rank(0);
    return past;
  }

  #at(place: number): Waiting {
    const waiting = this.#waiting[place];
    assert(waiting !== undefined, 'an account of the pool has something waiting');
    return waiting;
  }

  #forget({ signed }: Waiting): void {
    this.#bytes -= signed.lengthBytes;
    this.#fees -= signed.transaction.fee;
  }

  /** Where `nonce` is, or would be. */
  #placeOf(nonce: number): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#at(middle).signed.transaction.nonce < nonce) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Of those from `place` on: what is before them did not change. */
  #rank(place: number): void {
    for (let index = place; index < this.#waiting.length; index++) {
      const waiting = this.#at(index);
      const before = this.#waiting[index - 1];
      const own = priceOf(waiting.signed);
      const isCheapest = before === undefined || comparePrices(own, before.price) < 0;
      waiting.isReady = waiting.signed.transaction.nonce === this.#next + index;
      waiting.price = isCheapest ? own : before.price;
      waiting.turn = isCheapest ? 0 : before.turn + 1;
    }
  }
}

export function waitingOf(account: PoolAccount, signed: SignedTransaction, arrival: number): Waiting {
  return { signed, account, arrival, isReady: false, price: priceOf(signed), turn: 0 };
}

export function priceOf({ transaction, lengthBytes }: SignedTransaction): Price {
  return { fee: transaction.fee, lengthBytes: BigInt(lengthBytes) };
}

export function comparePrices(a: Price, b: Price): number {
  const difference = a.fee * b.lengthBytes - b.fee * a.lengthBytes;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
