// How soon a node is caught that silently dropped part of what it holds: the real draw, over many seeds, beside what a line of arithmetic says. A
// node is caught in the first round in which something that it dropped is asked for.
//
// What is dropped is chosen as a liar would: at random, the smallest or largest pieces, pieces side by side on the circle of place hashes
// (where one window finds many or none), or the end of every piece.

import type { NodeId } from '../../src/base/ids.ts';
import { WINDOWS_PER_LEAF } from '../../src/base/limits.ts';
import { type Asked, type AuditParams, drawAsked, type HeldPlace } from '../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../src/proofs/memory-holdings.ts';
import { type Place, placeHash, placeOf } from '../../src/proofs/place.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { SeededRandom } from './random.ts';

export const CHOICES = ['random', 'smallest', 'largest', 'side by side', 'end of each'] as const;
export type Choice = (typeof CHOICES)[number];
export const SHARES = [0.01, 0.05, 0.5] as const;

/** Defaults of a network: `DEFAULT_AUDIT` in src/shards/audit-rules.ts. */
export const PARAMS: AuditParams = { leaves: 32, sweepRounds: 12_960 };
const PIECES = 2000;
/** Leaves of the largest piece: of a default segment at 3 of 7, 5.3 MiB. */
const WEIGHT_MAX = 5462;
/** Far beyond what any of these takes. */
const ROUNDS_MAX = 1000;

export interface Detection {
  readonly choice: Choice;
  readonly share: number;
  /** Rounds until half of the nodes, and 99 of 100, are caught. */
  readonly computed: readonly [half: number, most: number];
  readonly observed: readonly [half: number, most: number];
}

/** Of all choices and shares, over seeds `from` to `to`. */
export function detect(from: number, to: number, params: AuditParams = PARAMS): Detection[] {
  const trials = CHOICES.flatMap((choice) => SHARES.map((share) => new Trial(choice, share)));
  for (let seed = from; seed <= to; seed++) runSeed(seed, params, trials);
  return trials.map((trial) => trial.result(params));
}

/** A node of its own, whose rounds all trials share: what is asked does not depend on what was dropped. */
function runSeed(seed: number, params: AuditParams, trials: readonly Trial[]): void {
  const random = new SeededRandom(seed, 'detection');
  const held = heldOf(seed, random);
  const holdings = new MemoryHoldings(held, nativeSha256);
  const node = digestFrom<NodeId>(`node ${seed}`);
  for (const trial of trials) trial.begin(held, random);
  const first = 1 + random.below(params.sweepRounds);
  for (let round = 1; trials.some((trial) => trial.isLoose); round++) {
    if (round > ROUNDS_MAX) throw new Error(`seed ${seed}: not caught in ${ROUNDS_MAX} rounds`);
    const audit = { round: first + round, seed: digestFrom(`seed ${seed} round ${round}`) };
    const asked = drawAsked(audit, node, holdings, params, nativeSha256);
    for (const trial of trials) trial.ask(asked, round);
  }
}

/** Sizes from one leaf to the largest piece, as many of each order of magnitude. */
function heldOf(seed: number, random: SeededRandom): HeldPlace[] {
  return Array.from({ length: PIECES }, (_, index) => ({
    place: placeOf(digestFrom(`object ${seed}.${index >> 3}`), index % 8, index % 7),
    weight: Math.floor(WEIGHT_MAX ** random.unit()),
  }));
}

class Trial {
  readonly #choice: Choice;
  readonly #share: number;
  readonly #caughtIn: number[] = [];
  #isDropped: (asked: Asked) => boolean = () => false;
  #isLoose = false;
  /** Sums over seeds: of what was dropped, the share of all leaves, and pieces. */
  #leafShare = 0;
  #pieces = 0;

  constructor(choice: Choice, share: number) {
    this.#choice = choice;
    this.#share = share;
  }

  get isLoose(): boolean {
    return this.#isLoose;
  }

  begin(held: readonly HeldPlace[], random: SeededRandom): void {
    const total = held.reduce((sum, { weight }) => sum + weight, 0);
    const kept = (weight: number): number => Math.ceil(weight * (1 - this.#share));
    this.#isLoose = true;
    if (this.#choice === 'end of each') {
      const weights = new Map(held.map(({ place, weight }) => [place, weight]));
      this.#isDropped = ({ place, leafIndex }) => leafIndex >= kept(weights.get(place)!);
      this.#leafShare += held.reduce((sum, { weight }) => sum + weight - kept(weight), 0) / total;
      this.#pieces += held.reduce((sum, { weight }) => sum + (weight - kept(weight)) / weight, 0);
      return;
    }
    const dropped = new Set<Place>();
    let leaves = 0;
    for (const { place, weight } of inOrder(this.#choice, held, random)) {
      if (leaves + weight > total * this.#share) continue;
      dropped.add(place);
      leaves += weight;
    }
    this.#isDropped = ({ place }) => dropped.has(place);
    this.#leafShare += leaves / total;
    this.#pieces += dropped.size;
  }

  ask(asked: readonly Asked[], round: number): void {
    if (!this.#isLoose || !asked.some(this.#isDropped)) return;
    this.#isLoose = false;
    this.#caughtIn.push(round);
  }

  result(params: AuditParams): Detection {
    const caughtIn = this.#caughtIn.toSorted((a, b) => a - b);
    const at = (part: number): number => caughtIn[Math.ceil(part * caughtIn.length) - 1]!;
    const isTogether = this.#choice === 'side by side' || this.#choice === 'smallest';
    const survival = roundSurvival(
      this.#leafShare / caughtIn.length,
      // Pieces side by side come up in the sweep all at once, and as a rule much later.
      this.#choice === 'side by side' ? 0 : this.#pieces / caughtIn.length,
      isTogether,
      params,
    );
    return {
      choice: this.#choice,
      share: this.#share,
      computed: [roundsUntil(0.5, survival), roundsUntil(0.99, survival)],
      observed: [at(0.5), at(0.99)],
    };
  }
}

function inOrder(choice: Choice, held: readonly HeldPlace[], random: SeededRandom): readonly HeldPlace[] {
  switch (choice) {
    case 'smallest':
      return held.toSorted((a, b) => a.weight - b.weight);
    case 'largest':
      return held.toSorted((a, b) => b.weight - a.weight);
    case 'side by side': {
      const hashes = new Map(held.map(({ place }) => [place, placeHash(place, nativeSha256)]));
      const sorted = held.toSorted((a, b) => (hashes.get(a.place)! < hashes.get(b.place)! ? -1 : 1));
      const start = random.below(held.length);
      return [...sorted.slice(start), ...sorted.slice(0, start)];
    }
    case 'random':
    case 'end of each':
      return random.sample(held, held.length);
  }
}

// ---- The line of arithmetic ------------------------------------------------------------------------------------------

/**
 * Chance that a round asks for nothing of the dropped `share` of leaves. A window takes 1/4 piece on average, as of a Poisson distribution. Spread evenly,
 * share / 4 of them are dropped ones; together, the whole window is of dropped pieces or none of it. The sweep asks for pieces / sweepRounds of them.
 */
export function roundSurvival(
  share: number,
  pieces: number,
  isTogether: boolean,
  { leaves, sweepRounds }: AuditParams,
): number {
  const expected = 1 / WINDOWS_PER_LEAF;
  const missed = isTogether ? 1 - share * (1 - Math.exp(-expected)) : Math.exp(-share * expected);
  return missed ** (WINDOWS_PER_LEAF * leaves) * Math.exp(-pieces / sweepRounds);
}

/** Rounds until such a node is caught with probability `part`. */
export function roundsUntil(part: number, survival: number): number {
  return Math.max(1, Math.ceil(Math.log(1 - part) / Math.log(survival)));
}

/**
 * The same for a node that, when a round begins, has the last k turns with chance (1 - turnShare) * turnShare^k, and of the k + 1 seeds that it
 * can choose among, and one more by the time it states, takes the kindest.
 */
export function bentSurvival(survival: number, turnShare: number): number {
  let sum = 0;
  let chance = 1 - turnShare;
  for (let turns = 0; turns < 64; turns++) {
    const choices = turns === 0 ? 1 : turns + 2;
    sum += chance * (1 - (1 - survival) ** choices);
    chance *= turnShare;
  }
  return sum;
}

// ---- Output ------------------------------------------------------------------------------------------------------

export function detectionLines(results: readonly Detection[]): string[] {
  const percent = (part: number): string => `${Number((100 * part).toPrecision(3))} %`;
  const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  const table = [
    row('dropped', 'share', 'half, computed', 'half, observed', '99 %, computed', '99 %, observed'),
    row('---', '---', '---', '---', '---', '---'),
    ...results.map(({ choice, share, computed, observed }) =>
      row(choice, percent(share), computed[0], observed[0], computed[1], observed[1]),
    ),
  ];
  const turns = [0, 0.1, 0.2, 1 / 3];
  const bent = [
    row('share', ...turns.map((turn) => `${percent(turn)} of turns`)),
    row('---', ...turns.map(() => '---')),
    ...SHARES.map((share) => {
      const survival = roundSurvival(share, 0, true, PARAMS);
      return row(percent(share), ...turns.map((turn) => roundsUntil(0.99, bentSurvival(survival, turn))));
    }),
  ];
  return [
    ...table,
    '',
    'computed rounds until 99 % are caught, side by side, when the node bends seeds:',
    ...bent,
  ];
}
