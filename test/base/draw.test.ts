import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { fromHex, uint32 } from '../../src/base/bytes.ts';
import { apportion, type Draws, DrawStream, shuffled } from '../../src/base/draw.ts';
import { type Domain, digest } from '../../src/base/hash.ts';
import type { Digest } from '../../src/base/ids.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';

const WORDS = 2n ** 64n;
const stream = (name: string, domain: Domain = 'proposer-schedule') =>
  new DrawStream(domain, digestFrom(name), nativeSha256);

/** All words of a stream, as hex text cut into pieces. */
function* twinWords(domain: Domain, seed: Digest): Generator<bigint> {
  for (let block = 0; ; block++) {
    const hex = Buffer.from(digest(domain, [seed, uint32(block)])).toString('hex');
    for (let at = 0; at < 64; at += 16) yield BigInt(`0x${hex.slice(at, at + 16)}`);
  }
}

function twinBelow(words: Generator<bigint>, bound: bigint): bigint {
  const fair = (WORDS / bound) * bound;
  for (;;) {
    const word = words.next().value as bigint;
    if (word < fair) return word - (word / bound) * bound;
  }
}

/** Chi-square of counts that should all be alike. */
function unevenness(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Runs `use` once for every sequence of outcomes that its draws can have. */
function everyOutcome(use: (draws: Draws) => void): number {
  const path: { value: bigint; bound: bigint }[] = [];
  for (let runs = 1; ; runs++) {
    let depth = 0;
    use({
      below(bound) {
        if (depth === path.length) path.push({ value: 0n, bound });
        return path[depth++]!.value;
      },
    });
    while (path.length > 0 && path.at(-1)!.value + 1n === path.at(-1)!.bound) path.pop();
    if (path.length === 0) return runs;
    path.at(-1)!.value += 1n;
  }
}

describe('the stream', () => {
  const bound = fc.oneof(
    fc.bigInt({ min: 1n, max: 100n }),
    fc.bigInt({ min: 1n, max: WORDS }),
    fc.constantFrom(1n, 2n ** 53n + 1n, 2n ** 63n + 1n, 2n ** 63n + 2n ** 62n, WORDS - 1n, WORDS),
  );

  test('draws what its definition says, for every bound', () => {
    fc.assert(
      fc.property(fc.array(bound, { maxLength: 30 }), fc.nat(), (bounds, key) => {
        const draws = stream(`key ${key}`);
        const words = twinWords('proposer-schedule', digestFrom(`key ${key}`));
        for (const each of bounds) expect(draws.below(each)).toBe(twinBelow(words, each));
      }),
    );
  });

  test('stays as it was frozen', () => {
    const file = new URL('../vectors/proposer.json', import.meta.url);
    const { draws } = JSON.parse(readFileSync(file, 'utf8')) as {
      draws: { domain: Domain; seed: string; bound: string; values: string[] }[];
    };
    expect(draws.length).toBeGreaterThan(5);
    for (const { domain, seed, bound, values } of draws) {
      const portable = new DrawStream(domain, fromHex(seed) as Digest);
      expect(values.map(() => portable.below(BigInt(bound)).toString())).toEqual(values);
    }
  });

  test('throws away the words that would make small results more frequent', () => {
    // Three quarters of all words: the rest, taken modulo the bound, would make the lowest third twice as likely.
    const draws = stream('uniform');
    const bound = 3n * 2n ** 62n;
    let low = 0;
    for (let count = 0; count < 3000; count++) if (draws.below(bound) < 2n ** 62n) low++;
    // 1000 expected, standard deviation 26; 1500 with the bias.
    expect(low).toBeGreaterThan(900);
    expect(low).toBeLessThan(1100);
  });

  test('falls on all outcomes alike', () => {
    const draws = stream('outcomes');
    const counts = Array.from({ length: 7 }, () => 0);
    for (let count = 0; count < 7000; count++) counts[Number(draws.below(7n))]! += 1;
    // Six degrees of freedom: exceeded by one stream in a thousand.
    expect(unevenness(counts)).toBeLessThan(22.5);
  });

  test('of another domain or seed is another', () => {
    const words = (draws: DrawStream) => Array.from({ length: 8 }, () => draws.below(WORDS));
    const all = [
      words(stream('a')),
      words(stream('b')),
      words(stream('a', 'shard-members')),
      words(stream('a', 'placement')),
    ].flat();
    expect(new Set(all).size).toBe(32);
    expect(words(stream('a'))).toEqual(all.slice(0, 8));
  });

  test('does not change when the seed it was made of is overwritten', () => {
    const seed = digestFrom('a').slice() as Digest;
    const draws = new DrawStream('proposer-schedule', seed);
    seed.fill(0);
    expect(draws.below(WORDS)).toBe(stream('a').below(WORDS));
  });

  test('takes a digest for a seed and 1 to 2^64 outcomes, and nothing else', () => {
    for (const length of [0, 31, 33]) {
      expect(() => new DrawStream('placement', new Uint8Array(length) as Digest)).toThrow(AssertionError);
    }
    for (const wrong of [0n, -1n, WORDS + 1n]) expect(() => stream('a').below(wrong)).toThrow(AssertionError);
  });
});

describe('a shuffle', () => {
  test('reaches every order by exactly one sequence of draws', () => {
    const orders = new Set<string>();
    const runs = everyOutcome((draws) => orders.add(shuffled([0, 1, 2, 3, 4], draws).join('')));
    expect(runs).toBe(120);
    expect(orders.size).toBe(120);
  });

  test('falls on all orders alike', () => {
    const draws = stream('orders');
    const counts = new Map<string, number>();
    for (let count = 0; count < 4800; count++) {
      const order = shuffled([0, 1, 2, 3], draws).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    // 23 degrees of freedom: exceeded by one stream in a thousand.
    expect(unevenness([...counts.values()])).toBeLessThan(49.7);
  });

  test('keeps every item and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.nat(), (items, key) => {
        const before = [...items];
        const after = shuffled(items, stream(`key ${key}`));
        expect(items).toEqual(before);
        expect(after.sort((a, b) => a - b)).toEqual(before.sort((a, b) => a - b));
      }),
    );
  });
});

describe('seats', () => {
  const weights = fc
    .array(fc.oneof(fc.bigInt(0n, 9n), fc.bigInt(0n, 2n ** 57n)), { minLength: 1, maxLength: 40 })
    .filter((all) => all.some((weight) => weight > 0n));

  /** Marks and remainders as intervals on a line, each remainder asked for each mark. */
  function twinApportion(all: readonly bigint[], seats: number, draws: Draws): number[] {
    const total = all.reduce((sum, weight) => sum + weight, 0n);
    const exact = all.map((weight) => weight * BigInt(seats));
    const order = shuffled([...all.keys()], draws);
    const first = draws.below(total);
    const counts = exact.map((product) => Number(product / total));
    let begin = 0n;
    for (const index of order) {
      const end = begin + (exact[index]! % total);
      for (let mark = first; mark < end; mark += total) if (mark >= begin) counts[index]! += 1;
      begin = end;
    }
    return counts;
  }

  test('are dealt as the definition says, each share rounded down or up', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 0, max: 2000 }), fc.nat(), (all, seats, key) => {
        const counts = apportion(all, seats, stream(`key ${key}`));
        expect(counts).toEqual(twinApportion(all, seats, stream(`key ${key}`)));
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(seats);
        const total = all.reduce((sum, weight) => sum + weight, 0n);
        for (const [index, count] of counts.entries()) {
          const product = all[index]! * BigInt(seats);
          expect([product / total, (product + total - 1n) / total]).toContain(BigInt(count));
        }
      }),
    );
  });

  test.each([
    [[5, 3, 2, 1], 4],
    [[9, 9, 2], 2],
    [[1, 1, 1, 1], 3],
    [[7, 0, 4], 5],
  ])(
    'by weights %j, %i in all, are on average the exact share: over every outcome of the draws',
    (given, seats) => {
      const all = given.map(BigInt);
      const sums = all.map(() => 0n);
      const runs = everyOutcome((draws) => {
        for (const [index, count] of apportion(all, seats, draws).entries()) sums[index]! += BigInt(count);
      });
      const total = all.reduce((sum, weight) => sum + weight, 0n);
      expect(sums.map((sum) => sum * total)).toEqual(
        all.map((weight) => weight * BigInt(seats) * BigInt(runs)),
      );
    },
  );

  test('left over go to the remainders in proportion, with real draws', () => {
    // Of two seats the shares are 0.9, 0.9 and 0.2; drawing one after the other would give the last 0.26.
    const sums = [0, 0, 0];
    const draws = stream('remainders');
    for (let run = 0; run < 4000; run++) {
      for (const [index, count] of apportion([9n, 9n, 2n], 2, draws).entries()) sums[index]! += count;
    }
    // Standard deviations 19, 19 and 25.
    for (const [index, expected] of [3600, 3600, 800].entries()) {
      expect(Math.abs(sums[index]! - expected)).toBeLessThan(100);
    }
  });

  test('are not won together by arrangement: neighbours in the input are strangers in the draw', () => {
    // In the order given, marks one unit apart would fall on all even places or on all odd ones.
    const all = Array.from({ length: 16 }, () => 1n);
    const outcomes = new Set<string>();
    for (let run = 0; run < 64; run++) outcomes.add(apportion(all, 8, stream(`run ${run}`)).join(''));
    expect(outcomes.size).toBeGreaterThan(60);
  });

  test('need a weight to go to, and a count', () => {
    expect(() => apportion([], 1, stream('a'))).toThrow(AssertionError);
    expect(() => apportion([0n, 0n], 1, stream('a'))).toThrow(AssertionError);
    expect(() => apportion([2n, -1n], 1, stream('a'))).toThrow(AssertionError);
    expect(() => apportion([1n], -1, stream('a'))).toThrow(AssertionError);
    expect(() => apportion([1n], 0.5, stream('a'))).toThrow(AssertionError);
    expect(() => apportion([WORDS, 1n], 1, stream('a'))).toThrow(AssertionError);
  });
});
