// The plan of an additive Fourier transform: which butterflies, in which order, compute the parity of a wide code. Pure
// arithmetic; fft-kernel.ts tells the mathematics and works plans off.

import { assert } from '../../base/assert.ts';
import { inverse, multiply } from '../../replication/galois.ts';
import { firstParityPoint, NARROW_PARITY_MAX } from '../../replication/matrix.ts';

/** The longest plan of all codes, 29 of 252, has this many steps. */
export const STEPS_MAX = 256;

/** With fewer points there is nothing to save. */
const POINTS_MIN = 4;
/** Larger transforms outgrow the scratch and, at n <= 255, have few parity pieces. */
const POINTS_MAX = 64;
/** Strips that a plan may name: coefficients, values, and the two at the end. */
export const STRIPS_MAX: number = 2 * POINTS_MAX + 2;

/** `first`: inverse butterflies of the block at point 0, where s_i is 0 and two products, or the only one, fall away. */
export type Direction = 'forward' | 'inverse' | 'first';
export type PassName = `${Direction}${2 | 4}`;

/** Where a position's bytes are: in a piece, or in strip `index` of the scratch. */
export interface Place {
  readonly kind: 'piece' | 'strip';
  readonly index: number;
}

/** One butterfly of two or four positions. */
interface Step {
  readonly from: readonly Place[];
  readonly to: readonly Place[];
  /** Four positions: of the wide level, then of the lower and the upper half of the narrow one. */
  readonly factors: readonly number[];
}

interface Pass {
  readonly name: PassName;
  readonly steps: readonly Step[];
}

export interface Plan {
  readonly passes: readonly Pass[];
  readonly isFaster: boolean;
}

/** Instructions per vector of a step of four or two positions, and of a coefficient of the matrix; as measured. */
const STEP_COST: Readonly<Record<PassName, number>> = {
  forward4: 48,
  forward2: 18,
  inverse4: 48,
  inverse2: 18,
  first4: 26,
  first2: 9,
};
const COEFFICIENT_COST = 6.25;
const NO_PLAN: Plan = { passes: [], isFaster: false };

/** A strip that is zero, and one to throw results away. */
export const ZERO: Place = { kind: 'strip', index: 2 * POINTS_MAX };
const NOWHERE: Place = { kind: 'strip', index: 2 * POINTS_MAX + 1 };

/** The passes that compute the parity of (k, n): one inverse transform, and a forward one per p parity pieces. */
export function planEncode(k: number, n: number): Plan {
  const points = firstParityPoint(k, n);
  const isPower = Number.isInteger(Math.log2(points));
  if (n - k <= NARROW_PARITY_MAX || !isPower || points < POINTS_MIN || points > POINTS_MAX) return NO_PLAN;
  const levels = Math.log2(points);
  const coefficient = (index: number): Place => ({ kind: 'strip', index });
  const value = (index: number): Place => ({ kind: 'strip', index: POINTS_MAX + index });

  const passes: Pass[] = [];
  let places: Place[] = Array.from({ length: points }, (_, index) =>
    index < k ? { kind: 'piece', index } : ZERO,
  );
  for (let low = 0; low < levels; low += 2) {
    const high = Math.min(low + 1, levels - 1);
    const { name, steps } = planPass('inverse', 0, low, high, places, coefficient, points);
    const atFirst = steps.filter(({ factors }) => factors[0] === 0);
    const others = steps.filter(({ factors }) => factors[0] !== 0);
    passes.push({ name: name === 'inverse4' ? 'first4' : 'first2', steps: atFirst }, { name, steps: others });
  }
  const coefficients = places;
  for (let first = 0; first < n - k; first += points) {
    places = [...coefficients];
    const wanted = Math.min(points, n - k - first);
    const parity = (index: number): Place =>
      index < wanted ? { kind: 'piece', index: k + first + index } : NOWHERE;
    for (let high = levels - 1; high >= 0; high -= 2) {
      const low = Math.max(high - 1, 0);
      const target = low === 0 ? parity : value;
      passes.push(planPass('forward', points + first, low, high, places, target, wanted));
    }
  }
  assert(
    passes.reduce((sum, { steps }) => sum + steps.length, 0) <= STEPS_MAX,
    'a plan has a bounded number of steps',
  );
  const cost = passes.reduce((sum, { name, steps }) => sum + STEP_COST[name] * steps.length, 0);
  return { passes, isFaster: cost < COEFFICIENT_COST * k * (n - k) };
}

/** Levels `low` and `high` (the same, or the next) of a transform at `offset`; notes in `places` where results are. */
function planPass(
  direction: 'forward' | 'inverse',
  offset: number,
  low: number,
  high: number,
  places: Place[],
  target: (index: number) => Place,
  wanted: number,
): Pass {
  const [distance, blockLength] = [2 ** low, 2 ** (high + 1)];
  const steps: Step[] = [];
  for (let block = 0; block < Math.min(wanted, places.length); block += blockLength) {
    for (let first = block; first < block + distance; first++) {
      const positions = [];
      for (let index = first; index < block + blockLength; index += distance) positions.push(index);
      const from = positions.map((index) => places[index]!);
      if (from.every((place) => place === ZERO)) continue;
      const to = positions.map(target);
      for (const [at, index] of positions.entries()) places[index] = to[at]!;
      const start = offset + block;
      const factors =
        low === high
          ? [skew(low, start)]
          : [skew(high, start), skew(low, start), skew(low, start + blockLength / 2)];
      steps.push({ from, to, factors });
    }
  }
  return { name: `${direction}${low === high ? 2 : 4}`, steps };
}

/** s_level(point): the product of (point + a) over a < 2^level, scaled to be 1 at 2^level. */
function skew(level: number, point: number): number {
  const vanishing = (x: number): number => {
    let product = 1;
    for (let a = 0; a < 2 ** level; a++) product = multiply(product, x ^ a);
    return product;
  };
  return multiply(vanishing(point), inverse(vanishing(2 ** level)));
}
