import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/base/ids.ts';
import {
  checkLightBlock,
  isConflict,
  isExpired,
  trustedOf,
  verifyAdjacent,
  verifyLight,
  verifySkipping,
} from '../../../src/client/chain/light-checks.ts';
import type { LightBlock } from '../../../src/shards/light-block.ts';
import { digestFrom } from '../../helpers/records.ts';
import { HeaderChain, rulesAt, setOf, STARTED_AT_MS } from './header-chain.ts';

const ABCD = ['a', 'b', 'c', 'd'];
/** Another validator every ten heights. */
const chain = new HeaderChain({
  members: (height) => [0, 1, 2, 3].map((at) => `v${Math.floor(height / 10) + at}`),
});
const steady = new HeaderChain({ members: () => ABCD });
const now = rulesAt(100);
const from = (height: number, of: HeaderChain = chain) => trustedOf(of.light(height));

describe('a light block by itself', () => {
  test('holds when its parts belong together and a quorum of its validators signed it', () => {
    expect(checkLightBlock(now, chain.light(7))).toBeUndefined();
  });

  const light = steady.light(7);
  const other = steady.light(8);
  const [first, ...rest] = light.certificate.signatures;
  const bad: readonly (readonly [string, LightBlock])[] = [
    ['wrong-network', new HeaderChain({ network: digestFrom('other'), members: () => ABCD }).light(7)],
    ['wrong-height', { ...light, certificate: other.certificate }],
    ['wrong-id', { ...light, certificate: { ...light.certificate, blockId: other.certificate.blockId } }],
    ['wrong-set', { ...light, validators: setOf(['a', 'b', 'c', 'e']) }],
    ['wrong-set', { ...light, validators: setOf(['a:2', 'b', 'c', 'd']) }],
    ['too-light', { ...light, certificate: { ...light.certificate, signatures: rest } }],
    ['malformed', { ...light, certificate: { ...light.certificate, signatures: [first!, first!, ...rest] } }],
    [
      'not-a-member',
      {
        ...light,
        certificate: { ...light.certificate, signatures: [...rest, { ...first!, validator: 4 }] },
      },
    ],
    [
      'bad-signature',
      {
        ...light,
        certificate: {
          ...light.certificate,
          signatures: [{ ...first!, signature: other.certificate.signatures[0]!.signature }, ...rest],
        },
      },
    ],
  ];
  test.each(bad)('is refused as %s', (problem, broken) => {
    expect(checkLightBlock(now, broken)).toBe(problem);
    expect(verifyLight(now, from(1, steady), broken)).toBe(problem);
  });

  test('is refused without any signature', () => {
    const nobody = { ...light, certificate: { ...light.certificate, signatures: [] } };
    expect(checkLightBlock(now, nobody)).toBe('malformed');
  });

  test('needs more than two thirds of the power, not of the heads', () => {
    const heavy = new HeaderChain({ members: () => ['a:4', 'b:1', 'c:1'], signs: (name) => name !== 'b' });
    expect(checkLightBlock(now, heavy.light(3))).toBeUndefined();
    const exact = new HeaderChain({ members: () => ['a:4', 'b:1', 'c:1'], signs: (name) => name === 'a' });
    expect(checkLightBlock(now, exact.light(3))).toBe('too-light');
  });
});

describe('the block after a trusted one', () => {
  test('has the validators that were announced, and names it as its parent', () => {
    for (const height of [8, 9, 10, 19]) {
      expect(verifyAdjacent(now, from(height), chain.light(height + 1))).toBeUndefined();
    }
  });

  test('is refused with other validators, another parent, or when it is not the next', () => {
    const usurped = chain.fork(11, { members: () => ABCD });
    expect(verifyAdjacent(now, from(10), usurped.light(11))).toBe('wrong-set');
    const grafted = chain.fork(11, {});
    expect(verifyAdjacent(now, from(11), grafted.light(12))).toBe('wrong-parent');
    expect(verifyAdjacent(now, from(10), chain.light(12))).toBe('wrong-height');
  });

  test('may be followed even when nobody of the trusted set is in it', () => {
    const replaced = new HeaderChain({ members: (height) => (height < 5 ? ABCD : ['e', 'f', 'g', 'h']) });
    expect(verifyLight(now, from(4, replaced), replaced.light(5))).toBeUndefined();
    expect(verifyLight(now, from(3, replaced), replaced.light(5))).toBe('too-far');
  });
});

describe('a later block', () => {
  test('is trusted when more than a third of the trusted power signed it', () => {
    expect(verifySkipping(now, from(1), chain.light(19))).toBeUndefined();
    expect(verifySkipping(now, from(1), chain.light(99))).toBe('too-far');
    // A third is not more than a third.
    const third = new HeaderChain({
      members: (height) => (height < 5 ? ['a', 'b', 'c'] : ['a', 'x', 'y', 'z']),
    });
    expect(verifySkipping(now, from(1, third), third.light(9))).toBe('too-far');
  });

  test('counts the power that was trusted, not the one that signers have now', () => {
    const risen = new HeaderChain({
      members: (height) => (height < 5 ? ['a:1', 'b:9'] : ['a:90', 'b:1']),
      signs: (name) => name === 'a',
    });
    expect(
      verifySkipping(
        now,
        trustedOf({ ...risen.light(9), validators: setOf(['a:1', 'b:9']) }),
        risen.light(12),
      ),
    ).toBe('too-far');
    expect(verifySkipping(now, from(8, risen), risen.light(12))).toBeUndefined();
  });

  test('needs its own quorum as well: a third of those who are trusted make no block', () => {
    const colluding = steady.fork(5, { signs: (name) => name === 'a' || name === 'b' });
    expect(verifySkipping(now, from(1, steady), colluding.light(9))).toBe('too-light');
  });

  test('is not believed on signatures that were never checked', () => {
    const light = steady.light(9);
    const signatures = light.certificate.signatures.map((each) => ({
      ...each,
      signature: digestFrom('x') as never,
    }));
    const forged = { ...light, certificate: { ...light.certificate, signatures } };
    expect(verifySkipping(now, from(1, steady), forged)).toBe('bad-signature');
  });
});

describe('time', () => {
  test('goes on with the height', () => {
    const light = steady.light(5);
    expect(verifyLight(now, from(5, steady), light)).toBe('not-later');
    expect(verifyLight(now, from(6, steady), light)).toBe('not-later');
    const late = { ...from(4, steady), timeMs: light.header.timeMs };
    expect(verifyLight(now, late, light)).toBe('not-later');
  });

  test('does not run ahead of the clock by more than its drift', () => {
    expect(verifyLight(rulesAt(0), from(1, steady), steady.light(10))).toBeUndefined();
    expect(verifyLight(rulesAt(0), from(1, steady), steady.light(11))).toBe('from-the-future');
  });

  test('ends trust after the trust period', () => {
    const trusted = from(1, steady);
    const period = { trustPeriodMs: 60_000 };
    const at = (nowMs: number) => ({ ...rulesAt(0, period), nowMs });
    expect(isExpired(at(STARTED_AT_MS + 61_000), trusted)).toBe(false);
    expect(isExpired(at(STARTED_AT_MS + 61_001), trusted)).toBe(true);
  });
});

describe('a conflict', () => {
  test('is another block of the same height that a quorum signed, of whom enough are trusted', () => {
    const fork = steady.fork(5, {});
    expect(isConflict(now, from(5, steady), fork.light(5))).toBe(true);
    expect(isConflict(now, from(5, steady), steady.light(5))).toBe(false);
    expect(isConflict(now, from(5, steady), fork.light(6))).toBe(false);
    const tooFew = steady.fork(5, { signs: (name) => name === 'a' });
    expect(isConflict(now, from(5, steady), tooFew.light(5))).toBe(false);
    const strangers = steady.fork(5, { members: () => ['e', 'f', 'g', 'h'] });
    expect(isConflict(now, from(5, steady), strangers.light(5))).toBe(false);
    const renamed = { ...fork.light(5), id: digestFrom<Digest>('x') };
    expect(isConflict(now, from(5, steady), renamed)).toBe(false);
  });
});
