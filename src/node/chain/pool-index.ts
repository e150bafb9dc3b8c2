// What waits in the pool, by id and by the height at which it expires, and how much it is.

import { toHex } from '../../base/bytes.ts';
import type { Digest } from '../../base/ids.ts';
import type { Waiting } from './pool-account.ts';

export class PoolIndex {
  readonly #byId = new Map<string, Waiting>();
  readonly #byExpiry = new Map<number, Set<Waiting>>();
  /** Nothing is here that expires up to this height. */
  #expiredHeight = 0;
  #bytes = 0;

  get size(): number {
    return this.#byId.size;
  }

  /** Of all transactions, encoded. */
  get bytes(): number {
    return this.#bytes;
  }

  get all(): Iterable<Waiting> {
    return this.#byId.values();
  }

  get(id: Digest): Waiting | undefined {
    return this.#byId.get(toHex(id));
  }

  add(waiting: Waiting): void {
    const { id, lengthBytes, transaction } = waiting.signed;
    this.#byId.set(toHex(id), waiting);
    this.#bytes += lengthBytes;
    const expiring = this.#byExpiry.get(transaction.expiresAtHeight);
    if (expiring === undefined) this.#byExpiry.set(transaction.expiresAtHeight, new Set([waiting]));
    else expiring.add(waiting);
  }

  delete(waiting: Waiting): void {
    const { id, lengthBytes, transaction } = waiting.signed;
    this.#byId.delete(toHex(id));
    this.#bytes -= lengthBytes;
    const expiring = this.#byExpiry.get(transaction.expiresAtHeight);
    expiring?.delete(waiting);
    if (expiring?.size === 0) this.#byExpiry.delete(transaction.expiresAtHeight);
  }

  /** What the block after `height` may not have, by height of expiry. Whoever asks deletes it, and adds nothing of the kind any more. */
  expiring(height: number): readonly Waiting[] {
    const heights = this.#heightsBetween(this.#expiredHeight + 1, height);
    this.#expiredHeight = Math.max(this.#expiredHeight, height);
    return heights.flatMap((each) => [...(this.#byExpiry.get(each) ?? [])]);
  }

  /** Each block asks for a few heights, a leap over many for those at which anything expires. */
  #heightsBetween(first: number, last: number): readonly number[] {
    const count = Math.max(0, last - first + 1);
    if (count < this.#byExpiry.size) return Array.from({ length: count }, (_, index) => first + index);
    return [...this.#byExpiry.keys()].filter((each) => each <= last).sort((a, b) => a - b);
  }
}
