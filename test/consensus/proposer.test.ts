import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { apportion, DrawStream } from '../../src/base/draw.ts';
import { digest } from '../../src/base/hash.ts';
import type { Digest, Epoch, NetworkId, NodeId } from '../../src/base/ids.ts';
import { HEIGHT_MAX, ROUND_MAX } from '../../src/base/limits.ts';
import {
  type ChainPosition,
  contribute,
  crossBorder,
  epochSeed,
  foundingContributor,
  foundingMix,
  revealChain,
} from '../../src/consensus/beacon.ts';
import { proposerAt, proposerSchedule, slotCount } from '../../src/consensus/proposer.ts';
import type { ProposerSchedule, Validator, ValidatorSet } from '../../src/consensus/types.ts';
import { validatorSet } from '../../src/consensus/validator-set.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';

const validators = (powers: readonly bigint[]): Validator[] =>
  powers.map((power, index) => ({ node: digestFrom<NodeId>(`validator ${index}`), power }));
const setOf = (...powers: readonly bigint[]): ValidatorSet => validatorSet(validators(powers));
const scheduleOf = (set: ValidatorSet, seed: string, firstHeight = 0): ProposerSchedule =>
  proposerSchedule(set, digestFrom(seed), firstHeight, nativeSha256);

function countsOf(set: ValidatorSet, schedule: ProposerSchedule): number[] {
  const counts = set.validators.map(() => 0);
  for (const slot of schedule.slots) counts[slot]! += 1;
  return counts;
}

const power = fc.oneof(fc.bigInt(1n, 5n), fc.bigInt(1n, 2n ** 20n), fc.bigInt(1n, 2n ** 55n));
const anySet = fc.array(power, { minLength: 1, maxLength: 100 }).map((powers) => setOf(...powers));
const anySeed = fc.nat().map((key) => `seed ${key}`);

describe('a schedule', () => {
  test('gives each validator its share of the slots, rounded down or up', () => {
    fc.assert(
      fc.property(anySet, anySeed, (set, seed) => {
        const schedule = scheduleOf(set, seed);
        const length = BigInt(schedule.slots.length);
        for (const [index, count] of countsOf(set, schedule).entries()) {
          const scaled = set.validators[index]!.power * length;
          // |count - scaled / total| < 1
          expect(BigInt(count) * set.totalPower - scaled < set.totalPower).toBe(true);
          expect(scaled - BigInt(count) * set.totalPower < set.totalPower).toBe(true);
          if (scaled >= set.totalPower) expect(count).toBeGreaterThan(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('has 1024 slots, or eight for each validator if that were more', () => {
    expect(setOfAlike(100).validators.length).toBe(100);
    expect(scheduleOf(setOfAlike(1), 'any').slots.length).toBe(1024);
    expect(scheduleOf(setOfAlike(100), 'any').slots.length).toBe(1024);
    expect([1, 128, 129, 1000].map(slotCount)).toEqual([1024, 1024, 1032, 8000]);
  });

  test('stays as it was frozen, with either hash', () => {
    const file = new URL('../vectors/proposer.json', import.meta.url);
    const { schedules } = JSON.parse(readFileSync(file, 'utf8')) as {
      schedules: {
        name: string;
        powers: string[];
        seed: string;
        firstHeight: number;
        counts: number[];
        firstSlots: number[];
        slotsSha256: string;
      }[];
    };
    expect(schedules.length).toBe(6);
    for (const { name, powers, seed, firstHeight, ...expected } of schedules) {
      const set = setOf(...powers.map(BigInt));
      const schedule = proposerSchedule(set, fromHex(seed) as Digest, firstHeight);
      expect(countsOf(set, schedule), name).toEqual(expected.counts);
      expect(schedule.slots.slice(0, 32), name).toEqual(expected.firstSlots);
      expect(toHex(nativeSha256(Uint8Array.from(schedule.slots))), name).toBe(expected.slotsSha256);
      expect(schedule.firstHeight).toBe(firstHeight);
      expect(proposerSchedule(set, fromHex(seed) as Digest, firstHeight, nativeSha256)).toEqual(schedule);
    }
  });

  test('is what the rules say when they are followed by hand', () => {
    fc.assert(
      fc.property(anySet, anySeed, (set, seed) => {
        expect(scheduleOf(set, seed).slots).toEqual(twinSlots(set, digestFrom(seed)));
      }),
      { numRuns: 30 },
    );
  });

  test('mixes the slots: a validator meets another after itself as often as the shares say', () => {
    const set = setOf(1n, 1n, 1n, 1n);
    let same = 0;
    for (let run = 0; run < 20; run++) {
      const { slots } = scheduleOf(set, `run ${run}`);
      for (let index = 1; index < slots.length; index++) if (slots[index] === slots[index - 1]) same++;
    }
    // 20 * 1023 pairs at 255/1023: 5100 expected, standard deviation about 62.
    expect(same).toBeGreaterThan(4850);
    expect(same).toBeLessThan(5350);
  });

  test('needs a height to begin at', () => {
    for (const wrong of [-1, 0.5, Number.NaN, HEIGHT_MAX + 1]) {
      expect(() => scheduleOf(setOf(1n), 'any', wrong)).toThrow(AssertionError);
    }
  });

  function setOfAlike(count: number): ValidatorSet {
    return setOf(...Array.from({ length: count }, () => 1n));
  }

  /** Slots kept as a list of tickets; the place of a ticket is found by cutting the list. */
  function twinSlots(set: ValidatorSet, seed: Digest): number[] {
    const draws = new DrawStream('proposer-schedule', seed);
    const length = BigInt(Math.max(1024, set.validators.length * 8));
    const mix = (items: number[]): number[] => {
      let rest = items;
      const out: number[] = [];
      while (rest.length > 1) {
        const at = Number(draws.below(BigInt(rest.length)));
        out.unshift(rest[at]!);
        const last = rest.at(-1)!;
        rest = rest.slice(0, -1);
        if (at < rest.length) rest = [...rest.slice(0, at), last, ...rest.slice(at + 1)];
      }
      return [...rest, ...out];
    };
    const order = mix(set.validators.map((_, index) => index));
    const start = draws.below(set.totalPower);
    const extra = new Set<number>();
    let begin = 0n;
    for (const index of order) {
      const end = begin + ((set.validators[index]!.power * length) % set.totalPower);
      // Marks below x: ceil((x - start) / total), or none.
      const marksBelow = (x: bigint) => (x <= start ? 0n : (x - start - 1n) / set.totalPower + 1n);
      if (marksBelow(end) > marksBelow(begin)) extra.add(index);
      begin = end;
    }
    const tickets: number[] = [];
    for (const [index, validator] of set.validators.entries()) {
      const count = Number((validator.power * length) / set.totalPower) + (extra.has(index) ? 1 : 0);
      for (let ticket = 0; ticket < count; ticket++) tickets.push(index);
    }
    return mix(tickets);
  }
});

describe('the proposer of a round', () => {
  test('is found by walking the slots, one further for each height and each round', () => {
    const schedule = scheduleOf(setOf(3n, 2n, 2n, 2n), 'walk', 3601);
    for (let height = 3601; height < 3601 + 1100; height += 7) {
      let at = 0;
      for (let step = 3601; step < height; step++) at = at + 1 === schedule.slots.length ? 0 : at + 1;
      for (let round = 0; round < 5; round++) {
        expect(proposerAt(schedule, height, round)).toBe(schedule.slots[at]);
        at = at + 1 === schedule.slots.length ? 0 : at + 1;
      }
    }
  });

  test('is exact up to the largest height and round', () => {
    const slots = Array.from({ length: 1031 }, (_, index) => index);
    const height = fc.integer({ min: 0, max: HEIGHT_MAX });
    const round = fc.oneof(fc.integer({ min: 0, max: ROUND_MAX }), fc.constant(ROUND_MAX));
    const twin = (firstHeight: number, h: number, r: number): number =>
      Number((BigInt(h) - BigInt(firstHeight) + BigInt(r)) % 1031n);
    fc.assert(
      fc.property(height, height, round, (a, b, r) => {
        const [firstHeight, h] = [Math.min(a, b), Math.max(a, b)];
        expect(proposerAt({ firstHeight, slots }, h, r)).toBe(twin(firstHeight, h, r));
      }),
    );
    expect(proposerAt({ firstHeight: 0, slots }, HEIGHT_MAX, ROUND_MAX)).toBe(twin(0, HEIGHT_MAX, ROUND_MAX));
  });

  test('is asked for heights of the epoch and rounds from 0 only', () => {
    const schedule = scheduleOf(setOf(1n, 1n), 'any', 100);
    const wrong: [number, number][] = [
      [99, 0],
      [100.5, 0],
      [Number.NaN, 0],
      [HEIGHT_MAX + 1, 0],
      [100, -1],
      [100, 0.5],
      [100, Number.NaN],
      [100, ROUND_MAX + 1],
    ];
    for (const [height, round] of wrong) {
      expect(() => proposerAt(schedule, height, round)).toThrow(AssertionError);
    }
  });
});

describe("the seven defects of the paper's scheme, seed % total stake along an unordered map, are not ours", () => {
  /** Algorithm 3.2 `select_proposer`, line by line. */
  function paperProposer(seed: bigint, entries: readonly Validator[]): Validator {
    const total = entries.reduce((sum, each) => sum + each.power, 0n);
    const target = (seed % total) + 1n;
    let cumulative = 0n;
    for (const entry of entries) {
      cumulative += entry.power;
      if (cumulative >= target) return entry;
    }
    throw new Error('not reached');
  }

  test('1, order of insertion: however the set was put together, the schedule is the same', () => {
    const list = validators([5n, 1n, 7n, 2n, 9n, 4n]);
    const reversed = [...list].reverse();
    expect(paperProposer(3n, list)).not.toBe(paperProposer(3n, reversed));
    const shuffles = fc.shuffledSubarray(list, { minLength: list.length });
    const expected = scheduleOf(validatorSet(list), 'order');
    fc.assert(
      fc.property(shuffles, (order) => {
        expect(scheduleOf(validatorSet(order), 'order')).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  test('2, modulo bias: with a total that divides no power of two, nobody gains', () => {
    // Three quarters of all words: seed % total would fall on the first third half of the time.
    const total = 3n * 2n ** 62n;
    const thirds = validators([total / 3n, total / 3n, total / 3n]);
    const words = new DrawStream('proposer-schedule', digestFrom('bias'), nativeSha256);
    let first = 0;
    for (let count = 0; count < 2000; count++) {
      if (paperProposer(words.below(2n ** 64n), thirds) === thirds[0]) first++;
    }
    expect(first).toBeGreaterThan(900);
    // Ours deals quotas out and draws the rest without bias: the one odd slot of 1024 goes to each alike.
    const set = setOf(2n ** 60n, 2n ** 60n, 2n ** 60n);
    const odd = [0, 0, 0];
    for (let run = 0; run < 600; run++) {
      const counts = countsOf(set, scheduleOf(set, `run ${run}`));
      expect(counts.toSorted((a, b) => a - b)).toEqual([341, 341, 342]);
      odd[counts.indexOf(342)]! += 1;
    }
    // 200 expected, standard deviation 11.5.
    for (const count of odd) expect(Math.abs(count - 200)).toBeLessThan(45);
  });

  test('3, bits above 2^53: one unit of seed or power decides where a Number could not tell', () => {
    // Words keep their low bits: rounded to a Number above 2^62, all of these would be even.
    const words = new DrawStream('proposer-schedule', digestFrom('bits'), nativeSha256);
    const odd = Array.from({ length: 400 }, () => words.below(2n ** 64n)).filter((word) => word % 2n === 1n);
    expect(Math.abs(odd.length - 200)).toBeLessThan(40);
    // The first share is one slot less 1 / 2^50: the draw below goes to it or, one unit later, to the other.
    const powers = [2n ** 50n, 1023n * 2n ** 50n + 1024n];
    const drawing = (start: bigint) => ({ below: (bound: bigint) => (bound === 2n ? 1n : start) });
    const edge = 1024n * powers[0]!;
    expect(apportion(powers, 1024, drawing(edge - 1n))).toEqual([1, 1023]);
    expect(apportion(powers, 1024, drawing(edge))).toEqual([0, 1024]);
    expect(Number(edge - 1n)).toBe(Number(edge));
  });

  test('4, no round in the draw: a crashed proposer is not drawn for ever', () => {
    fc.assert(
      fc.property(anySet, anySeed, fc.infiniteStream(fc.boolean()), (set, seed, coin) => {
        const crashed = new Set<number>();
        let lost = 0n;
        for (const [index, validator] of set.validators.entries()) {
          if (!(coin.next().value as boolean) || 3n * (lost + validator.power) >= set.totalPower) continue;
          crashed.add(index);
          lost += validator.power;
        }
        const schedule = scheduleOf(set, seed, 10);
        const length = schedule.slots.length;
        const bound = Number((lost * BigInt(length)) / set.totalPower) + crashed.size;
        const height = 10 + Number(lost % 5000n);
        let silent = 0;
        for (let round = 0; round < length; round++) {
          if (crashed.has(proposerAt(schedule, height, round))) silent++;
        }
        // Less than a third, and at most one slot each beside it.
        expect(silent).toBeLessThanOrEqual(bound);
        expect(silent).toBeLessThan(length / 2);
      }),
      { numRuns: 60 },
    );
  });

  test('5, no domain separation: proposers of a seed tell nothing about what else is drawn from it', () => {
    const seed = digestFrom('shared');
    const bound = 4n;
    const [proposers, members] = (['proposer-schedule', 'shard-members'] as const).map(
      (domain) => new DrawStream(domain, seed, nativeSha256),
    );
    let equal = 0;
    for (let draw = 0; draw < 4000; draw++) {
      if (proposers!.below(bound) === members!.below(bound)) equal++;
    }
    // 1000 expected, standard deviation 27; 4000 if both read one stream.
    expect(Math.abs(equal - 1000)).toBeLessThan(110);
  });

  test('6, the last revealer: grinding changes nothing, withholding gives exactly one alternative', () => {
    const network = digestFrom<NetworkId>('network');
    const owner = { network, node: digestFrom<NodeId>('last') };
    const [chain, strange] = ['secret', 'other secret'].map((name) =>
      // Link i is the end of the chain of i reveals.
      Array.from({ length: 12 }, (_, index) => revealChain(owner, digestFrom(name), index + 1).commitment),
    ) as [ChainPosition[], ChainPosition[]];
    const contributor = foundingContributor(chain[11]!);
    const mix = foundingMix(network);
    const seedAfter = (mixed: Digest) => toHex(epochSeed(network, 5 as Epoch, mixed));
    // All it could put into its block: its whole chain, one it never committed to, anything else, nothing.
    const attempts = [
      null,
      mix,
      ...[...chain, ...strange].map(({ tip }) => tip),
      ...Array.from({ length: 500 }, (_, key) => digestFrom(`attempt ${key}`)),
    ];
    const seeds = new Set<string>();
    for (const reveal of attempts) {
      const result = contribute(owner, contributor, 4 as Epoch, mix, reveal, nativeSha256);
      if (result.kind !== 'refused') seeds.add(seedAfter(result.kind === 'revealed' ? result.mix : mix));
    }
    expect([...seeds]).toEqual([seedAfter(mix), seedAfter(digest('beacon-mix', [mix, chain[10]!.tip]))]);
  });

  test('7, no frozen set: stake moved after the freeze changes nothing of that epoch', () => {
    const genesis = setOf(1n, 1n, 1n, 1n);
    const network = digestFrom<NetworkId>('network');
    const mix = digestFrom('mix after the last block of epoch 1');
    const before = crossBorder({ epoch: 0 as Epoch, current: genesis, next: genesis }, setOf(4n, 3n, 2n, 1n));
    // During epoch 1 the set of epoch 2 is settled, and its seed not yet known to anybody. Then stake moves.
    const schedules = [setOf(4n, 3n, 2n, 1n), setOf(1n, 2n, 3n, 400n)].map((stakeAtEndOf1) => {
      const { epoch, current } = crossBorder(before, stakeAtEndOf1);
      expect(epoch).toBe(2);
      return proposerSchedule(current, epochSeed(network, epoch, mix), 7200, nativeSha256);
    });
    expect(schedules[1]).toEqual(schedules[0]);
    expect(countsOf(before.next, schedules[0]!)).not.toEqual(countsOf(genesis, scheduleOf(genesis, 'any')));
    // It counts from the epoch after.
    const moved = crossBorder(crossBorder(before, setOf(1n, 2n, 3n, 400n)), genesis);
    expect(moved).toMatchObject({ epoch: 3, current: setOf(1n, 2n, 3n, 400n), next: genesis });
  });
});
