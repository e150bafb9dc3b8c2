import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { toHex, uint32 } from '../../src/base/bytes.ts';
import { digest } from '../../src/base/hash.ts';
import type { Digest, NodeId } from '../../src/base/ids.ts';
import { SWEPT_PER_ROUND, WINDOW_PIECES_MAX, WINDOWS_PER_LEAF } from '../../src/base/limits.ts';
import {
  type Asked,
  type AuditParams,
  type AuditRound,
  drawAsked,
  entriesMax,
  type HeldPlace,
  mergeAsked,
  pickFrom,
  planDraw,
  rangesOf,
  type Window,
} from '../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../src/proofs/memory-holdings.ts';
import { isCopy, type Place, placeBytes, placeHash, placeOf } from '../../src/proofs/place.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { heldPlaces, object } from './kit.ts';

const CIRCLE = 2n ** 64n;
const NODE = digestFrom<NodeId>('node');
const WEIGHTS = [1, 1, 2, 3, 5, 8, 100, 1024, 4096, 65_600];
const roundOf = (round: number): AuditRound => ({ round, seed: digestFrom(`seed of round ${round}`) });
const holdingsOf = (held: readonly HeldPlace[]) => new MemoryHoldings(held, nativeSha256);
const textOf = ({ place, leafIndex }: Asked): string => `${toHex(placeBytes(place))}/${leafIndex}`;

// ---- The dumb twin: every piece against every window, from the words of the definition -----------------------------

const wordsOf = (bytes: Uint8Array): bigint[] =>
  [0, 16, 32, 48].map((at) => BigInt(`0x${toHex(bytes).slice(at, at + 16)}`));

function* wordStream(seed: Digest): Generator<bigint> {
  for (let block = 0; ; block++) yield* wordsOf(digest('audit-draw', [seed, uint32(block)], nativeSha256));
}

function below(words: Generator<bigint>, bound: bigint): bigint {
  for (;;) {
    const word = words.next().value as bigint;
    if (word < (CIRCLE / bound) * bound) return word - (word / bound) * bound;
  }
}

const mod = (value: bigint): bigint => ((value % CIRCLE) + CIRCLE) % CIRCLE;
const log2 = (weight: number): number => weight.toString(2).length - 1;

function twinDraw(
  { round, seed }: AuditRound,
  node: NodeId,
  held: readonly HeldPlace[],
  { leaves, sweepRounds }: AuditParams,
): string[] {
  const asked = new Set<string>();
  if (held.length === 0) return [];
  const draw = digest('audit-draw', [seed, node], nativeSha256);
  const show = ({ place, weight }: HeldPlace, index: number, isSure: boolean): void => {
    const [first, second] = wordsOf(
      digest('audit-leaf', [draw, uint32(index), placeBytes(place)], nativeSha256),
    );
    if (!isSure && first! * 2n ** BigInt(log2(weight) + 1) >= BigInt(weight) * CIRCLE) return;
    const leafIndex = isCopy(place) ? 0 : Number(second! % BigInt(weight));
    asked.add(textOf({ place, leafIndex }));
  };
  const words = wordStream(draw);
  const sum = (some: readonly HeldPlace[]): bigint =>
    some.reduce((total, { weight }) => total + BigInt(weight), 0n);
  const classes = Array.from({ length: 17 }, (_, each) => held.filter(({ weight }) => log2(weight) === each));
  for (let index = 0; index < 4 * leaves; index++) {
    let point = below(words, sum(held));
    const from = below(words, CIRCLE);
    const drawn = classes.findIndex((some) => {
      point -= sum(some);
      return point < 0n;
    });
    const width = (CIRCLE * 2n ** BigInt(drawn + 1)) / (4n * sum(classes[drawn]!));
    for (const each of classes[drawn]!) {
      if (mod(placeHash(each.place, nativeSha256) - from) < width) show(each, index, false);
    }
  }
  const arcs = BigInt(Math.max(sweepRounds, Math.ceil(held.length / SWEPT_PER_ROUND)));
  const arc = BigInt(round) % arcs;
  const turn = wordsOf(digest('audit-place', [node], nativeSha256))[0]!;
  for (const each of held) {
    const at = mod(placeHash(each.place, nativeSha256) - turn);
    if (at >= (arc * CIRCLE) / arcs && at < ((arc + 1n) * CIRCLE) / arcs) show(each, 2 ** 32 - 1, true);
  }
  return [...asked].sort();
}

describe('the draw', () => {
  test('through the index is what the definition says, piece by piece', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 120 }),
        fc.shuffledSubarray(WEIGHTS, { minLength: 1 }),
        fc.nat(1000),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 40 }),
        (count, weights, round, leaves, sweepRounds) => {
          const held = heldPlaces(count, weights).map((each, index) =>
            index % 9 === 4 ? { ...each, place: placeOf(object(index), null, index % 4) } : each,
          );
          const params = { leaves, sweepRounds };
          const asked = drawAsked(roundOf(round + 1), NODE, holdingsOf(held), params, nativeSha256);
          expect(asked.map(textOf).sort()).toEqual(twinDraw(roundOf(round + 1), NODE, held, params));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('is in the order of places and leaves, each once', () => {
    const asked = drawAsked(roundOf(1), NODE, holdingsOf(heldPlaces(5, WEIGHTS)), {
      leaves: 64,
      sweepRounds: 1,
    });
    const places = asked.map(
      ({ place, leafIndex }) => toHex(placeBytes(place)) + String(leafIndex).padStart(6, '0'),
    );
    expect(new Set(places).size).toBe(places.length);
    expect(places).toEqual(places.toSorted());
  });

  test('is another for another node, round or seed', () => {
    const held = holdingsOf(heldPlaces(200, [64]));
    const draw = (round: AuditRound, node: NodeId): string =>
      drawAsked(round, node, held, { leaves: 8, sweepRounds: 1000 }).map(textOf).join();
    const first = draw(roundOf(1), NODE);
    expect(draw({ ...roundOf(1) }, NODE)).toBe(first);
    expect(draw(roundOf(1), digestFrom<NodeId>('other'))).not.toBe(first);
    expect(draw({ ...roundOf(1), seed: digestFrom('other') }, NODE)).not.toBe(first);
  });

  test('asks nothing of a node that holds nothing', () => {
    expect(planDraw(roundOf(1), NODE, [], { leaves: 32, sweepRounds: 1 })).toEqual([]);
    expect(drawAsked(roundOf(1), NODE, new MemoryHoldings(), { leaves: 32, sweepRounds: 1 })).toEqual([]);
  });

  test('asks the only piece for as many leaves as any other holdings', () => {
    let count = 0;
    for (let round = 1; round <= 50; round++) {
      const held = holdingsOf(heldPlaces(1, [65_600]));
      count += drawAsked(
        roundOf(round),
        NODE,
        held,
        { leaves: 32, sweepRounds: 52_560 },
        nativeSha256,
      ).length;
    }
    expect(count / 50).toBeGreaterThan(29);
    expect(count / 50).toBeLessThan(35);
  });

  test('asks for a copy whole, however often it is drawn', () => {
    const copy = { place: placeOf(object(0), null, 0), weight: 4096 };
    const asked = drawAsked(roundOf(1), NODE, holdingsOf([copy]), { leaves: 32, sweepRounds: 1 });
    expect(asked).toEqual([{ place: copy.place, leafIndex: 0 }]);
  });

  test('takes only rules and totals that make sense', () => {
    const good = { leaves: 32, sweepRounds: 10 };
    const plan = (params: AuditParams, classes = [{ count: 1, weight: 1 }], round = 1) =>
      planDraw(roundOf(round), NODE, classes, params);
    expect(plan(good).length).toBe(32 * WINDOWS_PER_LEAF + 1);
    expect(() => plan({ ...good, leaves: 0 })).toThrow(AssertionError);
    expect(() => plan({ ...good, leaves: 1.5 })).toThrow(AssertionError);
    expect(() => plan({ ...good, sweepRounds: 0 })).toThrow(AssertionError);
    expect(() => plan(good, [{ count: 1, weight: 2 }])).toThrow(AssertionError);
    expect(() => plan(good, [{ count: 2, weight: 1 }])).toThrow(AssertionError);
    expect(() => plan(good, [{ count: 1, weight: 1 }], 0)).toThrow(AssertionError);
  });
});

// ---- How often ---------------------------------------------------------------------------------------------------

/** How often each place is taken by size in `rounds` rounds, by the text of its place. */
function tally(held: readonly HeldPlace[], rounds: number, leaves: number): Map<string, number> {
  const holdings = holdingsOf(held);
  const counts = new Map(held.map(({ place }) => [toHex(placeBytes(place)), 0]));
  for (let round = 1; round <= rounds; round++) {
    const windows = planDraw(
      roundOf(round),
      NODE,
      holdings.classes(),
      { leaves, sweepRounds: 1 },
      nativeSha256,
    );
    for (const window of windows.slice(0, leaves * WINDOWS_PER_LEAF)) {
      const entries = rangesOf(window).flatMap((range) => [...holdings.range(window.sizeClass, range)]);
      for (const { place } of pickFrom(window, entries, nativeSha256)) {
        const key = toHex(placeBytes(place));
        counts.set(key, counts.get(key)! + 1);
      }
    }
  }
  return counts;
}

/** Six standard deviations: once in 500 million for a right draw, and the seeds are fixed. */
function expectShare(count: number, expected: number): void {
  expect(Math.abs(count - expected)).toBeLessThan(6 * Math.sqrt(expected) + 1);
}

describe('by size', () => {
  test('each piece is taken in proportion to its weight', () => {
    const held = heldPlaces(60, [1, 3, 7, 16, 40, 100, 101, 127, 128, 200]);
    const total = held.reduce((sum, { weight }) => sum + weight, 0);
    const counts = tally(held, 400, 32);
    for (const { place, weight } of held) {
      expectShare(counts.get(toHex(placeBytes(place)))!, (400 * 32 * weight) / total);
    }
  });

  test('no place is in a lucky or unlucky gap, however places are ground', () => {
    const all = heldPlaces(6000, [64]);
    const hash = ({ place }: HeldPlace): bigint => placeHash(place, nativeSha256);
    const crowd = all.filter((each) => hash(each) < CIRCLE / 64n).slice(0, 40);
    const lonely = all.filter((each) => hash(each) > CIRCLE / 2n).slice(0, 2);
    const held = [...crowd, ...lonely];
    const counts = tally(held, 250, 32);
    for (const { place } of held) expectShare(counts.get(toHex(placeBytes(place)))!, (250 * 32) / 42);
  });

  test('each leaf of a piece is as likely as another', () => {
    const holdings = holdingsOf(heldPlaces(1, [10]));
    const counts = Array.from({ length: 10 }, () => 0);
    for (let round = 1; round <= 300; round++) {
      const windows = planDraw(
        roundOf(round),
        NODE,
        holdings.classes(),
        { leaves: 32, sweepRounds: 1 },
        nativeSha256,
      );
      for (const window of windows) {
        const entries = rangesOf(window).flatMap((range) => [...holdings.range(window.sizeClass, range)]);
        for (const { leafIndex } of pickFrom(window, entries, nativeSha256)) counts[leafIndex]!++;
      }
    }
    const total = counts.reduce((sum, count) => sum + count, 0);
    for (const count of counts) expectShare(count, total / 10);
  });
});

describe('a window', () => {
  const window = (from: bigint, width: bigint): Window => ({
    draw: digestFrom('draw'),
    index: 0,
    sizeClass: 0,
    from,
    width,
  });

  test('is one range, or two when it goes over the end of the circle', () => {
    expect(rangesOf(window(5n, 10n))).toEqual([{ from: 5n, to: 15n }]);
    expect(rangesOf(window(CIRCLE - 5n, 5n))).toEqual([{ from: CIRCLE - 5n, to: CIRCLE }]);
    expect(rangesOf(window(CIRCLE - 5n, 15n))).toEqual([
      { from: CIRCLE - 5n, to: CIRCLE },
      { from: 0n, to: 10n },
    ]);
  });

  test('holds half a piece on average, and of one ground full only so many are looked at', () => {
    const holdings = holdingsOf(heldPlaces(2000, [64]));
    const windows = planDraw(roundOf(1), NODE, holdings.classes(), { leaves: 256, sweepRounds: 52_560 });
    const sizes = windows
      .slice(0, -1)
      .map((each) => rangesOf(each).flatMap((range) => [...holdings.range(each.sizeClass, range)]).length);
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    expect(mean).toBeGreaterThan(0.4);
    expect(mean).toBeLessThan(0.6);
    const full = window(0n, CIRCLE / 2n);
    expect(entriesMax(full)).toBe(WINDOW_PIECES_MAX);
    const crowd = heldPlaces(1000, [1]);
    expect(pickFrom(full, crowd)).toEqual(pickFrom(full, crowd.slice(0, WINDOW_PIECES_MAX)));
    expect(pickFrom(full, crowd).length).toBeLessThan(WINDOW_PIECES_MAX);
  });

  test('of one class is not given pieces of another', () => {
    expect(() => pickFrom(window(0n, 1n), heldPlaces(1, [2]))).toThrow(AssertionError);
  });
});

describe('the sweep', () => {
  const swept = (round: AuditRound, held: MemoryHoldings, sweepRounds: number): Place[] => {
    const windows = planDraw(round, NODE, held.classes(), { leaves: 1, sweepRounds }, nativeSha256);
    return windows.slice(WINDOWS_PER_LEAF).flatMap((window) =>
      pickFrom(
        window,
        rangesOf(window).flatMap((range) => [...held.range(window.sizeClass, range)]),
        nativeSha256,
      ).map(({ place }) => place),
    );
  };
  const sweptIn = (held: MemoryHoldings, first: number, rounds: number, sweepRounds: number): string[] =>
    Array.from({ length: rounds }, (_, index) => swept(roundOf(first + index), held, sweepRounds))
      .flat()
      .map((place) => toHex(placeBytes(place)));

  test('reaches every piece once in its rounds, whichever is the first', () => {
    fc.assert(
      fc.property(fc.nat(150), fc.integer({ min: 1, max: 25 }), fc.nat(1000), (count, sweepRounds, first) => {
        const held = heldPlaces(count, WEIGHTS);
        const places = sweptIn(holdingsOf(held), first + 1, sweepRounds, sweepRounds);
        expect(places.toSorted()).toEqual(held.map(({ place }) => toHex(placeBytes(place))).toSorted());
      }),
      { numRuns: 40 },
    );
  });

  test('takes more rounds when a node holds more than a round can show', () => {
    const count = 2 * SWEPT_PER_ROUND + 10;
    const held = holdingsOf(heldPlaces(count, [1]));
    const rounds = [1, 2, 3].map((first) => sweptIn(held, first, 1, 1));
    expect(new Set(rounds.flat()).size).toBe(count);
    for (const round of rounds) expect(round.length).toBeLessThan(SWEPT_PER_ROUND);
  });
});

test('asked too often, those drawn by size are kept', () => {
  const asked = heldPlaces(10_000, [1]).map(({ place }) => ({ place, leafIndex: 0 }));
  const merged = mergeAsked([asked.slice(9_990), asked]);
  expect(merged.length).toBe(8_704);
  const texts = new Set(merged.map(textOf));
  expect(asked.slice(9_990).every((each) => texts.has(textOf(each)))).toBe(true);
});
