import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byPower, churnBudget, nextPowers, type Powers } from '../../src/shards/churn.ts';

const id = (index: number): string => index.toString(16).padStart(64, '0');
const powersOf = (...list: readonly (number | bigint)[]): Powers =>
  new Map(list.map((power, index) => [id(index), BigInt(power)] as const).filter(([, power]) => power > 0n));
const list = (powers: Powers, count: number): bigint[] =>
  Array.from({ length: count }, (_, index) => powers.get(id(index)) ?? 0n);
const sum = (powers: Powers): bigint => [...powers.values()].reduce((all, power) => all + power, 0n);
const tenth = { churnPerMillion: 100_000, validatorsMax: 100 };

/** Power that left and that came. */
function churn(before: Powers, after: Powers): { out: bigint; in: bigint } {
  const ids = new Set([...before.keys(), ...after.keys()]);
  const differences = [...ids].map((each) => (after.get(each) ?? 0n) - (before.get(each) ?? 0n));
  const positive = (all: readonly bigint[]): bigint =>
    all.filter((each) => each > 0n).reduce((total, each) => total + each, 0n);
  return { in: positive(differences), out: positive(differences.map((each) => -each)) };
}

const powers = (count: number) =>
  fc
    .array(fc.oneof(fc.constant(0n), fc.bigInt(1n, 50n), fc.bigInt(1n, 2n ** 40n)), {
      minLength: count,
      maxLength: count,
    })
    .map((all) => powersOf(...all));
const cases = fc.record({
  before: powers(8).filter((before) => before.size > 0),
  aim: powers(8),
  lost: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
  churnPerMillion: fc.integer({ min: 1, max: 1_000_000 }),
  validatorsMax: fc.integer({ min: 1, max: 8 }),
});

/** Whoever lost its stake holds half of its power; what is wanted is held, and fits the seats. */
function prepared({ before, aim, lost, churnPerMillion, validatorsMax }: CaseOf) {
  const held = new Map(
    list(before, 8).map((power, index) => {
      const wanted = aim.get(id(index)) ?? 0n;
      const most = power > wanted ? power : wanted;
      return [id(index), lost[index] ? most / 2n : most] as const;
    }),
  );
  const wanted = [...aim]
    .map(([each, power]) => [each, power < held.get(each)! ? power : held.get(each)!] as const)
    .filter(([, power]) => power > 0n)
    .sort(byPower);
  const few = new Map([...before].sort(byPower).slice(0, validatorsMax));
  return {
    before: few,
    wanted: new Map(wanted.slice(0, validatorsMax)),
    held,
    rules: { churnPerMillion, validatorsMax },
  };
}
type CaseOf = typeof cases extends fc.Arbitrary<infer T> ? T : never;

describe('from one set to the next', () => {
  test('power that comes and goes is within the cap, except what lost its stake', () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const { before, wanted, held, rules } = prepared(drawn);
        const after = nextPowers(before, wanted, held, rules);
        const forced = [...before].reduce((all, [each, power]) => {
          const most = held.get(each) ?? 0n;
          return all + (power > most ? power - most : 0n);
        }, 0n);
        const { in: came, out: went } = churn(before, after);
        const budget = churnBudget(before, rules);
        // When nobody is left the old set stays, which is no churn at all.
        expect(came + went <= (forced > budget ? forced : budget)).toBe(true);
        if (after !== before) expect(went >= forced).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('nobody has more power than stake behind it, nor moves away from the aim, nor is there a seat too many', () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const { before, wanted, held, rules } = prepared(drawn);
        const after = nextPowers(before, wanted, held, rules);
        expect(after.size).toBeGreaterThan(0);
        expect(after.size).toBeLessThanOrEqual(rules.validatorsMax);
        if (after === before) return;
        for (const [each, power] of after) {
          const most = held.get(each)!;
          const was = before.get(each) ?? 0n;
          const base = was < most ? was : most;
          const aim = wanted.get(each) ?? 0n;
          expect(power <= most && power > 0n).toBe(true);
          expect(aim >= base ? power >= base && power <= aim : power <= base && power >= aim).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('the order in which nodes are visited makes no difference', () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const { before, wanted, held, rules } = prepared(drawn);
        const turned = (all: Powers): Powers => new Map([...all].reverse());
        expect(list(nextPowers(turned(before), turned(wanted), turned(held), rules), 8)).toEqual(
          list(nextPowers(before, wanted, held, rules), 8),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('whatever waits gets there: an aim that stays is reached', () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const { before, wanted, held, rules } = prepared({ ...drawn, churnPerMillion: 100_000 });
        fc.pre(wanted.size > 0);
        let now: Powers = before;
        for (let border = 0; border < 2000 && churn(now, wanted).in + churn(now, wanted).out > 0n; border++) {
          now = nextPowers(now, wanted, held, rules);
        }
        expect(list(now, 8)).toEqual(list(wanted, 8));
      }),
      { numRuns: 60 },
    );
  });
});

describe('who waits', () => {
  test('leaving and coming share the cap in halves when both want it', () => {
    const after = nextPowers(
      powersOf(1000, 1000, 1000, 1000),
      powersOf(0, 1000, 1000, 1000, 1000),
      powersOf(1000, 1000, 1000, 1000, 1000),
      tenth,
    );
    expect(list(after, 5)).toEqual([800n, 1000n, 1000n, 1000n, 200n]);
  });

  test('one side uses what the other leaves', () => {
    const before = powersOf(1000, 1000, 1000, 1000);
    const less = nextPowers(before, powersOf(0, 1000, 1000, 1000), before, tenth);
    expect(list(less, 4)).toEqual([600n, 1000n, 1000n, 1000n]);
  });

  test('everybody in part: each change in proportion, the rest one by one', () => {
    const before = powersOf(100, 100, 100);
    const after = nextPowers(before, powersOf(50, 50, 100), before, tenth);
    expect(list(after, 3)).toEqual([85n, 85n, 100n]);
    const odd = nextPowers(before, powersOf(90, 60, 70), before, tenth);
    expect(list(odd, 3)).toEqual([100n - 4n, 100n - 15n, 100n - 11n]);
  });

  test('slashed power goes at once, though it is more than the cap, and then nothing else moves', () => {
    const before = powersOf(1000, 1000, 1000, 1000);
    const after = nextPowers(before, powersOf(0, 500, 1000, 1000), powersOf(0, 1000, 1000, 1000), tenth);
    expect(list(after, 4)).toEqual([0n, 1000n, 1000n, 1000n]);
  });

  test('newcomers wait for seats, the largest first', () => {
    const held = powersOf(10, 10, 30, 40);
    const after = nextPowers(powersOf(10, 10), powersOf(0, 0, 30, 40), held, {
      churnPerMillion: 1_000_000,
      validatorsMax: 2,
    });
    // Of 20, half leaves: both old ones are still there with the rest.
    expect(list(after, 4)).toEqual([5n, 5n, 0n, 0n]);
    const later = nextPowers(powersOf(1, 10), powersOf(0, 10, 30, 40), held, {
      churnPerMillion: 1_000_000,
      validatorsMax: 2,
    });
    expect(list(later, 4)).toEqual([0n, 10n, 0n, 10n]);
  });

  test('a set of few tokens changes too', () => {
    const before = powersOf(1, 1, 1, 1);
    expect(sum(nextPowers(before, powersOf(1, 1, 1), before, tenth))).toBe(3n);
  });

  test('the last validators stay when nobody is left to follow', () => {
    const before = powersOf(5, 5);
    expect(nextPowers(before, powersOf(), powersOf(), tenth)).toEqual(before);
  });
});
