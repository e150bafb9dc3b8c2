// The Merkle tree over a list of digests (`base/merkle.ts`), kept whole, so that a path for each of thousands costs one tree and not one
// each.

import { assert } from '../../base/assert.ts';
import { digest, type Sha256 } from '../../base/hash.ts';
import type { Digest } from '../../base/ids.ts';
import { splitOf } from '../../base/merkle.ts';

interface Subtree {
  readonly digest: Digest;
  readonly halves: readonly [left: Subtree, right: Subtree] | undefined;
  readonly count: number;
}

/** Made when the first path is asked for. */
export class InclusionTree {
  readonly #records: readonly Digest[];
  readonly #sha256: Sha256;
  #top: Subtree | undefined;

  constructor(records: readonly Digest[], sha256: Sha256) {
    this.#records = records;
    this.#sha256 = sha256;
  }

  /** Siblings on the way from record `index` up, lowest first: what `proveInclusion` gives. */
  path(index: number): Digest[] {
    assert(0 <= index && index < this.#records.length, 'the record proved is in the list');
    const path: Digest[] = [];
    let at = (this.#top ??= subtree(this.#records, 0, this.#records.length, this.#sha256));
    let rest = index;
    while (at.halves !== undefined) {
      const [left, right] = at.halves;
      const isLeft = rest < left.count;
      path.push(isLeft ? right.digest : left.digest);
      if (!isLeft) rest -= left.count;
      at = isLeft ? left : right;
    }
    return path.reverse();
  }
}

function subtree(records: readonly Digest[], from: number, to: number, sha256: Sha256): Subtree {
  const count = to - from;
  if (count === 1) {
    return { digest: digest('merkle-leaf', [records[from]!], sha256), halves: undefined, count };
  }
  const middle = from + splitOf(count);
  const left = subtree(records, from, middle, sha256);
  const right = subtree(records, middle, to, sha256);
  return { digest: digest('merkle-node', [left.digest, right.digest], sha256), halves: [left, right], count };
}
