import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { concat, toHex, toUtf8 } from '../../src/base/bytes.ts';
import { portableSha256 } from '../../src/base/hash.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { VALIDATORS_MAX, VOTING_POWER_MAX } from '../../src/base/limits.ts';
import type { Validator } from '../../src/consensus/types.ts';
import {
  exceeds,
  indexOf,
  isQuorum,
  isWeak,
  powerOf,
  QUORUM,
  validatorSet,
  validatorSetDigest,
  WEAK,
} from '../../src/consensus/validator-set.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';

const validator = (index: number, power = 1n): Validator => ({
  node: digestFrom<NodeId>(`validator ${index}`),
  power,
});
const validators = (...powers: readonly bigint[]): Validator[] =>
  powers.map((power, index) => validator(index, power));

const powers = fc.array(fc.bigInt(1n, 2n ** 55n), { minLength: 1, maxLength: 20 });

describe('a validator set', () => {
  test('is sorted by node id, whatever order it was given in', () => {
    const list = validators(...Array.from({ length: 30 }, (_, index) => BigInt(index + 1)));
    const set = validatorSet(list);
    const ids = set.validators.map(({ node }) => toHex(node));
    expect(ids).toEqual(list.map(({ node }) => toHex(node)).sort());
    expect(set.totalPower).toBe(465n);
    expect(validatorSet([...list].reverse())).toEqual(set);
  });

  test('does not reorder the list it was made of', () => {
    const list = validators(1n, 2n, 3n, 4n, 5n);
    const before = [...list];
    validatorSet(list);
    expect(list).toEqual(before);
  });

  test.each<[string, Validator[], string]>([
    ['empty', [], 'it is empty'],
    ['too large', validators(...Array.from({ length: VALIDATORS_MAX + 1 }, () => 1n)), '101 validators'],
    ['with a powerless one', validators(1n, 0n), 'has no power'],
    ['with power below zero', validators(5n, -1n), 'has no power'],
    ['too heavy', validators(VOTING_POWER_MAX, 1n), 'is above'],
    ['with one twice', [validator(1), validator(2), validator(1, 7n)], 'twice'],
    ['with a short id', [{ node: new Uint8Array(31) as NodeId, power: 1n }], '32 bytes'],
    ['with a long id', [{ node: new Uint8Array(33) as NodeId, power: 1n }], '32 bytes'],
  ])('%s is refused', (_, list, reason) => {
    expect(expectCode('INVALID_ARGUMENT', () => validatorSet(list)).message).toContain(reason);
  });

  test('may be as large and as heavy as the limits say', () => {
    expect(validatorSet(validators(VOTING_POWER_MAX)).totalPower).toBe(VOTING_POWER_MAX);
    const full = validatorSet(validators(...Array.from({ length: VALIDATORS_MAX }, () => 1n)));
    expect(full.validators.length).toBe(VALIDATORS_MAX);
  });

  test('knows the power and the place of its validators, and of nobody else', () => {
    const set = validatorSet(validators(10n, 20n, 30n));
    for (const [index, { node, power }] of set.validators.entries()) {
      expect(indexOf(set, node)).toBe(index);
      expect(powerOf(set, index)).toBe(power);
    }
    expect(indexOf(set, digestFrom('stranger'))).toBe(undefined);
    for (const wrong of [-1, 3, 0.5, Number.NaN]) expect(() => powerOf(set, wrong)).toThrow(AssertionError);
  });
});

describe('a threshold', () => {
  test('must be exceeded: exactly a third and exactly two thirds do not count', () => {
    for (const third of [1n, 5n, 2n ** 60n]) {
      const total = 3n * third;
      expect(exceeds(WEAK, third, total)).toBe(false);
      expect(exceeds(WEAK, third + 1n, total)).toBe(true);
      expect(exceeds(QUORUM, 2n * third, total)).toBe(false);
      expect(exceeds(QUORUM, 2n * third + 1n, total)).toBe(true);
    }
  });

  test('is decided by single units of power far beyond 2^53, where a Number would round', () => {
    const total = 3n * (2n ** 58n + 1n);
    const set = validatorSet(validators(total - 2n, 1n, 1n));
    const quorum = (total * 2n) / 3n;
    expect(isQuorum(set, quorum)).toBe(false);
    expect(isQuorum(set, quorum + 1n)).toBe(true);
    expect(Number(quorum)).toBe(Number(quorum + 1n));
  });

  test('makes any two quorums share more than a third, and a quorum and a weak part overlap', () => {
    fc.assert(
      fc.property(powers, fc.infiniteStream(fc.boolean()), (all, coin) => {
        const set = validatorSet(validators(...all));
        const pick = () => all.map(() => coin.next().value as boolean);
        const [a, b] = [pick(), pick()];
        const sum = (has: (index: number) => boolean) =>
          all.reduce((power, each, index) => power + (has(index) ? each : 0n), 0n);
        const shared = sum((index) => a[index]! && b[index]!);
        const [first, second] = [sum((index) => a[index]!), sum((index) => b[index]!)];
        if (isQuorum(set, first) && isQuorum(set, second)) expect(isWeak(set, shared)).toBe(true);
        if (isQuorum(set, first) && isWeak(set, second)) expect(shared > 0n).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('leaves either a quorum or a weak rest, whoever is taken out', () => {
    fc.assert(
      fc.property(powers, fc.bigInt(0n, 2n ** 60n), (all, raw) => {
        const set = validatorSet(validators(...all));
        const part = raw % (set.totalPower + 1n);
        // A quorum fails exactly when a third or more is away.
        expect(isQuorum(set, part)).toBe(3n * (set.totalPower - part) < set.totalPower);
      }),
    );
  });
});

describe('the digest of a set', () => {
  /** Hex text put together and parsed, in place of a buffer with offsets. */
  function twinDigest(list: readonly Validator[]): string {
    const entries = list.map(({ node, power }) => toHex(node) + power.toString(16).padStart(16, '0')).sort();
    const hex = list.length.toString(16).padStart(8, '0') + entries.join('');
    const tag = toUtf8('holdfast/validator-set');
    return toHex(portableSha256(concat(new Uint8Array([tag.length]), tag, Buffer.from(hex, 'hex'))));
  }

  test('is of the count, ids and powers in the order of the set', () => {
    fc.assert(
      fc.property(powers, (all) => {
        const list = validators(...all);
        expect(toHex(validatorSetDigest(validatorSet(list)))).toBe(twinDigest(list));
        expect(toHex(validatorSetDigest(validatorSet(list.reverse()), nativeSha256))).toBe(twinDigest(list));
      }),
    );
  });

  test('stays as it was frozen', () => {
    const file = new URL('../vectors/proposer.json', import.meta.url);
    const { schedules } = JSON.parse(readFileSync(file, 'utf8')) as {
      schedules: { powers: string[]; setDigest: string }[];
    };
    for (const { powers: all, setDigest } of schedules) {
      expect(toHex(validatorSetDigest(validatorSet(validators(...all.map(BigInt)))))).toBe(setDigest);
    }
  });

  test('differs when one unit of power moves, and when a validator comes, goes or is another', () => {
    const digests = [
      validators(2n ** 60n, 2n ** 60n),
      validators(2n ** 60n + 1n, 2n ** 60n - 1n),
      validators(2n ** 60n, 2n ** 60n, 1n),
      validators(2n ** 60n),
      [validator(0, 2n ** 60n), validator(9, 2n ** 60n)],
    ].map((list) => toHex(validatorSetDigest(validatorSet(list))));
    expect(new Set(digests).size).toBe(5);
  });
});
