// Keys of records by what names them. The same accounts, buckets and lanes come up in block after block, and each key takes two hashes.
// What was remembered is what would be computed, so nothing depends on what is.

import { STATE_KEYS_REMEMBERED_MAX } from '../base/limits.ts';

/** `compute`, remembering at most `max` results, and at least the half of it that was asked for last. */
export class RecentKeys<T> {
  readonly #max: number;
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  constructor(max: number = STATE_KEYS_REMEMBERED_MAX) {
    this.#max = max;
  }

  get(name: string, compute: () => T): T {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const value = this.#old.get(name) ?? compute();
    if (2 * (this.#young.size + 1) > this.#max) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, value);
    return value;
  }
}

/** One character for each byte of an id or a digest: a name that is made faster than hex. */
export function nameOfBytes(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
