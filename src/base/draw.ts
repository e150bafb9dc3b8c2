// Fair draws that anybody can repeat: a stream of 64-bit words from (domain, seed), and what is drawn from it. Every
// draw is a fact that machines must agree on, so there is one way to read the stream, all in integers, and a use of
// its own domain for each purpose: proposers, committees and auditors of one seed have nothing to do with each other.
//
// Word w of the stream is the big-endian word w mod 4 of block floor(w / 4), block j = digest(domain, seed, uint32 j).
// Where seeds come from is in `consensus/beacon.ts`.

import { assert } from './assert.ts';
import { uint32 } from './bytes.ts';
import { type Domain, digest, portableSha256, type Sha256 } from './hash.ts';
import { DIGEST_LENGTH, type Digest } from './ids.ts';

const WORD_VALUES = 1n << 64n;
const WORD_LENGTH = 8;
/** Far beyond any use; a counter that wrapped would repeat the stream. */
const BLOCKS_MAX = 2 ** 32;

/** Where shuffles and shares take their draws from. */
export interface Draws {
  /** Uniform in [0, bound), for a bound from 1 to 2^64. */
  below(bound: bigint): bigint;
}

/** The words of (domain, seed), each used once. Two streams of equal domain and seed give equal draws. */
export class DrawStream implements Draws {
  readonly #domain: Domain;
  readonly #seed: Uint8Array;
  readonly #sha256: Sha256;
  #block: DataView = new DataView(new ArrayBuffer(0));
  #blocksUsed = 0;
  #offset = 0;

  constructor(domain: Domain, seed: Digest, sha256: Sha256 = portableSha256) {
    assert(seed.length === DIGEST_LENGTH, 'a seed is a digest');
    this.#domain = domain;
    this.#seed = seed.slice();
    this.#sha256 = sha256;
  }

  /**
   * Uniform in [0, bound). Words at or above the largest multiple of the bound are thrown away,
   * or small results would come more often than large ones; fewer than two words are used on average.
   */
  below(bound: bigint): bigint {
    assert(bound >= 1n && bound <= WORD_VALUES, 'a draw has 1 to 2^64 outcomes');
    const fairWords = WORD_VALUES - (WORD_VALUES % bound);
    for (;;) {
      const word = this.#word();
      if (word < fairWords) return word % bound;
    }
  }

  #word(): bigint {
    if (this.#offset === this.#block.byteLength) this.#nextBlock();
    const word = this.#block.getBigUint64(this.#offset);
    this.#offset += WORD_LENGTH;
    return word;
  }

  #nextBlock(): void {
    assert(this.#blocksUsed < BLOCKS_MAX, 'a stream is never used up');
    const bytes = digest(this.#domain, [this.#seed, uint32(this.#blocksUsed)], this.#sha256);
    this.#block = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#blocksUsed += 1;
    this.#offset = 0;
  }
}

/** `items` in an order drawn from all orders alike (Fisher-Yates, from the last place down). */
export function shuffled<T>(items: readonly T[], draws: Draws): T[] {
  const out = [...items];
  for (let last = out.length - 1; last > 0; last--) {
    const other = Number(draws.below(BigInt(last + 1)));
    [out[last], out[other]] = [out[other]!, out[last]!];
  }
  return out;
}

/**
 * `seats` dealt out in proportion to `weights`: with share = weight * seats / total each gets floor(share) or ceil(share),
 * and share itself on average, exactly. The weights add up to 1 .. 2^64. Seats at index i belong to weight i.
 */
export function apportion(weights: readonly bigint[], seats: number, draws: Draws): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  assert(total > 0n && weights.every((weight) => weight >= 0n), 'weights are not negative, and not all zero');
  assert(Number.isSafeInteger(seats) && seats >= 0, 'seats are counted');
  const products = weights.map((weight) => weight * BigInt(seats));
  const counts = products.map((product) => Number(product / total));
  const remainders = products.map((product) => product % total);
  for (const index of drawRemainders(remainders, total, draws)) counts[index]! += 1;
  assert(counts.reduce((sum, count) => sum + count, 0) === seats, 'all seats are dealt out, and no more');
  return counts;
}

/**
 * Chooses sum(remainders) / unit of the indices, index i with probability remainders[i] / unit: lay the remainders end to
 * end and take those that hold a mark, where marks stand one unit apart from a drawn start. No remainder reaches a unit, so
 * none holds two. (Drawing one after the other by weight would favour the small.) The remainders are laid out in drawn
 * order, so that nobody arranges by his choice of key that his win together.
 */
function drawRemainders(remainders: readonly bigint[], unit: bigint, draws: Draws): number[] {
  const chosen: number[] = [];
  const order = shuffled([...remainders.keys()], draws);
  let untilMark = draws.below(unit);
  for (const index of order) {
    const remainder = remainders[index]!;
    if (untilMark < remainder) {
      chosen.push(index);
      untilMark += unit;
    }
    untilMark -= remainder;
  }
  return chosen;
}
