// Proofs that consecutive records stand in a list under a Merkle root (base/merkle.ts), all of them with one set of siblings:
// receipts are executed in order, so what a block shows of a list is always a run of it.
//
// Which subtrees lie beside the run follows from count, index and length of the run alone. The proof is their digests from left to
// right; every one is hashed, and a proof with one too few or too many is refused.

import { assert } from '../base/assert.ts';
import { equal, uint32 } from '../base/bytes.ts';
import { digest, portableSha256, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../base/ids.ts';
import { splitOf } from '../base/merkle.ts';

/** Longest list: the root binds the count as 32 bits. */
const COUNT_MAX = 2 ** 32 - 1;

/** Digests of the subtrees beside records `from` to `to - 1`, leftmost first. */
export function proveRun(
  records: readonly Uint8Array[],
  from: number,
  to: number,
  sha256: Sha256 = portableSha256,
): Digest[] {
  assert(0 <= from && from < to && to <= records.length, 'a run has records and lies within the list');
  const siblings: Digest[] = [];
  const visit = (first: number, end: number): void => {
    if (isBeside(first, end, from, to)) siblings.push(topOf(records, first, end, sha256));
    else if (end - first > 1) {
      const middle = first + splitOf(end - first);
      visit(first, middle);
      visit(middle, end);
    }
  };
  visit(0, records.length);
  return siblings;
}

/**
 * The root of a list of `count` records whose records from number `from` on are `run`, if `siblings` are what is beside them;
 * undefined for anything malformed. Never throws.
 */
export function rootOfRun(
  count: number,
  from: number,
  run: readonly Uint8Array[],
  siblings: readonly Uint8Array[],
  sha256: Sha256 = portableSha256,
): Digest | undefined {
  const to = from + run.length;
  if (!Number.isSafeInteger(from) || from < 0 || run.length === 0) return undefined;
  if (!Number.isSafeInteger(count) || count > COUNT_MAX || to > count) return undefined;
  if (![...run, ...siblings].every((record) => record.length === DIGEST_LENGTH)) return undefined;
  let used = 0;
  const visit = (first: number, end: number): Uint8Array | undefined => {
    if (isBeside(first, end, from, to)) return siblings[used++];
    if (end - first === 1) return digest('merkle-leaf', [run[first - from]!], sha256);
    const middle = first + splitOf(end - first);
    const left = visit(first, middle);
    const right = left === undefined ? undefined : visit(middle, end);
    return left === undefined || right === undefined
      ? undefined
      : digest('merkle-node', [left, right], sha256);
  };
  const top = visit(0, count);
  if (top === undefined || used !== siblings.length) return undefined;
  return digest('merkle-node', [uint32(count), top], sha256);
}

export function verifyRun(
  root: Uint8Array,
  count: number,
  from: number,
  run: readonly Uint8Array[],
  siblings: readonly Uint8Array[],
  sha256?: Sha256,
): boolean {
  const found = rootOfRun(count, from, run, siblings, sha256);
  return found !== undefined && equal(found, root);
}

/** Records `first` to `end - 1` have none in common with the run. */
function isBeside(first: number, end: number, from: number, to: number): boolean {
  return end <= from || to <= first;
}

function topOf(records: readonly Uint8Array[], first: number, end: number, sha256: Sha256): Digest {
  if (end - first === 1) return digest('merkle-leaf', [records[first]!], sha256);
  const middle = first + splitOf(end - first);
  const parts = [topOf(records, first, middle, sha256), topOf(records, middle, end, sha256)];
  return digest('merkle-node', parts, sha256);
}
