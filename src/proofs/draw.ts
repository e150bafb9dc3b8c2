// What a node has to show in an audit round. Everybody who has the chain's state of the block before the round's seed draws the same.
//
// By size: 4 * leaves windows on the circle of place hashes, each of one size class, taken with probability class weight / all weight. A window
// of class c is 2^64 * 2^(c+1) / (4 * class weight) wide and begins anywhere; a piece of weight L in it is taken with probability L / 2^(c+1). So each
// window takes each piece with probability L / (4 * all weight), whatever the hashes of the others are: no piece lies in a lucky gap, and one leaf is
// asked for per four windows, on average. (To take the piece next to a point would favour those behind a wide gap, and who names objects makes gaps.)
//
// Sweep: the circle is cut into arcs, one for each of `sweepRounds` rounds, and the pieces of a round's arc show a leaf each. So every piece comes up in
// that time, however small it is. When its turn is can be known beforehand; which leaf it is, cannot.
//
// Reading the index is left to whoever has it: `planDraw` says which windows to read, `pickFrom` takes from what was read, `mergeAsked` puts together.

import { assert } from '../base/assert.ts';
import { toHex, uint32 } from '../base/bytes.ts';
import { DrawStream } from '../base/draw.ts';
import { digest, portableSha256, type Sha256 } from '../base/hash.ts';
import type { Digest, NodeId } from '../base/ids.ts';
import {
  AUDIT_ASKED_MAX,
  AUDIT_LEAVES_MAX,
  AUDIT_ROUND_MAX,
  SWEEP_ROUNDS_MAX,
  SWEPT_PER_ROUND,
  WINDOW_PIECES_MAX,
  WINDOWS_PER_LEAF,
} from '../base/limits.ts';
import { comparePlaces, isCopy, type Place, placeBytes, SIZE_CLASSES, sizeClass, wordOf } from './place.ts';

/** Rules of the network that the draw needs. */
export interface AuditParams {
  /** Leaves asked of a node in a round, on average, beside the sweep. */
  readonly leaves: number;
  /** Rounds in which every piece comes up once at least. */
  readonly sweepRounds: number;
}

export interface AuditRound {
  /** Counted from 1, without gaps. */
  readonly round: number;
  readonly seed: Digest;
}

/** What a node holds of a size class: how many, and their weights together. */
export interface ClassTotal {
  readonly count: number;
  readonly weight: number;
}

export interface HeldPlace {
  readonly place: Place;
  readonly weight: number;
}

/** One leaf of one place. Of a copy, which is shown whole, the leaf is 0. */
export interface Asked {
  readonly place: Place;
  readonly leafIndex: number;
}

/** What a node holds, in the order (size class, place hash, place). */
export interface Holdings {
  /** By size class, from 0; classes behind the last one are empty. */
  classes(): readonly ClassTotal[];
  /** Those of a class whose place hash lies in [from, to). */
  range(sizeClass: number, range: HashRange): Iterable<HeldPlace>;
}

export interface HashRange {
  readonly from: bigint;
  /** Up to 2^64. */
  readonly to: bigint;
}

/** Places of a size class that may be asked: those with a hash in [from, from + width) mod 2^64. */
export interface Window {
  readonly draw: Digest;
  /** Number among those drawn by size; SWEEP for the sweep. */
  readonly index: number;
  readonly sizeClass: number;
  readonly from: bigint;
  readonly width: bigint;
}

const CIRCLE = 1n << 64n;
const SWEEP: number = 2 ** 32 - 1;

/** All that is asked of `node`, in order. The dumb way, and the one for who has the holdings in memory. */
export function drawAsked(
  round: AuditRound,
  node: NodeId,
  holdings: Holdings,
  params: AuditParams,
  sha256: Sha256 = portableSha256,
): readonly Asked[] {
  const windows = planDraw(round, node, holdings.classes(), params, sha256);
  return mergeAsked(
    windows.map((window) => {
      const entries = rangesOf(window).flatMap((range) => [...holdings.range(window.sizeClass, range)]);
      return pickFrom(window, entries, sha256);
    }),
  );
}

/** The windows to read, in order; none for a node that holds nothing. */
export function planDraw(
  { round, seed }: AuditRound,
  node: NodeId,
  classes: readonly ClassTotal[],
  params: AuditParams,
  sha256: Sha256 = portableSha256,
): readonly Window[] {
  assert(isCount(params.leaves, AUDIT_LEAVES_MAX), 'a draw asks for leaves');
  assert(isCount(params.sweepRounds, SWEEP_ROUNDS_MAX), 'a sweep takes rounds');
  assert(isCount(round, AUDIT_ROUND_MAX), 'rounds are counted from 1');
  assert(classes.length <= SIZE_CLASSES && classes.every(isTotal), 'weights fit their size class');
  if (classes.every(({ count }) => count === 0)) return [];
  const draw = digest('audit-draw', [seed, node], sha256);
  return [
    ...windowsBySize(draw, classes, params.leaves, sha256),
    ...sweepWindows(draw, node, round, classes, params.sweepRounds, sha256),
  ];
}

/** The window as one or two ranges that do not wrap, in the order in which they are read. */
export function rangesOf({ from, width }: Window): readonly HashRange[] {
  const to = from + width;
  if (to <= CIRCLE) return [{ from, to }];
  return [
    { from, to: CIRCLE },
    { from: 0n, to: to - CIRCLE },
  ];
}

/** More entries of a window than this are not looked at: whoever reads them can stop there. */
export function entriesMax({ index }: Window): number {
  return index === SWEEP ? 2 * SWEPT_PER_ROUND : WINDOW_PIECES_MAX;
}

/** What is asked of `entries`: all that there are in the window, in the order of its ranges and of the holdings. */
export function pickFrom(
  window: Window,
  entries: Iterable<HeldPlace>,
  sha256: Sha256 = portableSha256,
): readonly Asked[] {
  const picked: Asked[] = [];
  let left = entriesMax(window);
  for (const { place, weight } of entries) {
    if (left-- === 0) break;
    assert(sizeClass(weight) === window.sizeClass, 'entries are of the class of their window');
    const words = digest('audit-leaf', [window.draw, uint32(window.index), placeBytes(place)], sha256);
    if (window.index !== SWEEP && !isTaken(wordOf(words, 0), weight)) continue;
    picked.push({ place, leafIndex: isCopy(place) ? 0 : leafFrom(words, weight) });
  }
  return picked;
}

/**
 * Everything picked, each once, by place and leaf. `picks` are in the order of their windows: were there too many, which takes ground place
 * hashes, the last ones would go, which are swept.
 */
export function mergeAsked(picks: readonly (readonly Asked[])[]): readonly Asked[] {
  const merged = new Map<string, Asked>();
  for (const asked of picks.flat()) {
    if (merged.size === AUDIT_ASKED_MAX) break;
    const key = `${toHex(placeBytes(asked.place))}/${asked.leafIndex}`;
    if (!merged.has(key)) merged.set(key, asked);
  }
  return [...merged.values()].sort(compareAsked);
}

export function compareAsked(a: Asked, b: Asked): number {
  return comparePlaces(a.place, b.place) || a.leafIndex - b.leafIndex;
}

// ---- By size -------------------------------------------------------------------------------------------------

function windowsBySize(
  draw: Digest,
  classes: readonly ClassTotal[],
  leaves: number,
  sha256: Sha256,
): readonly Window[] {
  const words = new DrawStream('audit-draw', draw, sha256);
  const total = classes.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: leaves * WINDOWS_PER_LEAF }, (_, index): Window => {
    const drawn = classAt(classes, words.below(BigInt(total)));
    const from = words.below(CIRCLE);
    const span = 2n ** BigInt(drawn + 1);
    // At most half the circle, as a class that is not empty weighs span / 2 at least.
    const width = (CIRCLE * span) / (BigInt(WINDOWS_PER_LEAF) * BigInt(classes[drawn]!.weight));
    return { draw, index, sizeClass: drawn, from, width };
  });
}

/** The class in which the point lies when all are laid end to end. */
function classAt(classes: readonly ClassTotal[], point: bigint): number {
  let rest = point;
  for (let each = 0; each < classes.length; each++) {
    const weight = BigInt(classes[each]!.weight);
    if (rest < weight) return each;
    rest -= weight;
  }
  throw new RangeError('a point lies within the sum of the weights');
}

/** With probability weight / 2^(class + 1), exactly: at least a half. */
function isTaken(word: bigint, weight: number): boolean {
  return word < BigInt(weight) << BigInt(63 - sizeClass(weight));
}

/** Weights are below 2^17, so no leaf is more likely than another by more than one part in 2^47. */
function leafFrom(words: Digest, weight: number): number {
  return Number(wordOf(words, 1) % BigInt(weight));
}

// ---- Sweep ---------------------------------------------------------------------------------------------------

/** A window of every class that is not empty: this round's arc. Nodes begin at different points of the circle, or one round would ask all for copies of one object. */
function sweepWindows(
  draw: Digest,
  node: NodeId,
  round: number,
  classes: readonly ClassTotal[],
  sweepRounds: number,
  sha256: Sha256,
): readonly Window[] {
  const count = classes.reduce((sum, each) => sum + each.count, 0);
  const arcs = BigInt(Math.max(sweepRounds, Math.ceil(count / SWEPT_PER_ROUND)));
  const arc = BigInt(round) % arcs;
  const start = (arc * CIRCLE) / arcs;
  const width = ((arc + 1n) * CIRCLE) / arcs - start;
  const from = (start + wordOf(digest('audit-place', [node], sha256), 0)) % CIRCLE;
  return classes.flatMap((each, drawn) =>
    each.count === 0 ? [] : [{ draw, index: SWEEP, sizeClass: drawn, from, width }],
  );
}

function isCount(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= max;
}

/** Of `count` weights of the class, each from 2^c to 2^(c+1) - 1. */
function isTotal({ count, weight }: ClassTotal, each: number): boolean {
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(weight) || count < 0) return false;
  return weight >= count * 2 ** each && weight <= count * (2 ** (each + 1) - 1);
}
