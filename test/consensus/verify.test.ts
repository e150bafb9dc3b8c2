import { describe, expect, test } from 'vitest';
import type { Verify } from '../../src/base/ports.ts';
import { commitCertificate, polkaCertificate, roundCertificate } from '../../src/consensus/certificate.ts';
import type { HeightStart, Message } from '../../src/consensus/types.ts';
import { verifyMessage, type VerifyContext } from '../../src/consensus/verify.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { A, B, castOf, forged, network, precommit, proposal, vote } from './signed.ts';

const cast = castOf(1, 1, 1, 1);
const HEIGHT = 5;
const ROUND = 2;
type Start = Pick<HeightStart, 'validators' | 'proposers'>;

/** Validator (height - 1 + round) mod 4 proposes; this validator is in round 2 of height 5. */
const start: Start = { validators: cast.set, proposers: { firstHeight: 1, slots: [0, 1, 2, 3] } };
const PROPOSER = 2;

/** Every height is known unless `known` says otherwise. */
function context(
  overrides: Partial<VerifyContext> = {},
  known: (height: number) => boolean = () => true,
): VerifyContext {
  const startOf = (height: number): Start | undefined => (known(height) ? start : undefined);
  return { network, height: HEIGHT, round: ROUND, startOf, verify: nativeVerify, ...overrides };
}

function outcome(message: Message, within: VerifyContext = context()): string {
  const verdict = verifyMessage(within, message);
  return verdict.verdict === 'accept' ? 'accept' : `${verdict.verdict} ${verdict.reason}`;
}

const signers = [0, 1, 2];
const at = (height: number, round = ROUND): Readonly<Record<string, Message>> => ({
  proposal: proposal(cast, (height - 1 + round) % 4, { height, round }),
  prevote: vote(cast, 0, { height, round }),
  precommit: precommit(cast, 1, { height, round, blockId: null }),
  polka: polkaCertificate(signers.map((each) => vote(cast, each, { height, round }))),
  commit: commitCertificate(signers.map((each) => precommit(cast, each, { height, round }))),
  'round certificate': roundCertificate(
    round + 1,
    'precommit-any',
    signers.map((each) => precommit(cast, each, { height, round })),
  ),
});
const KINDS = Object.keys(at(HEIGHT));
const isVote = (kind: string): boolean => kind === 'prevote' || kind === 'precommit';

describe('by height', () => {
  test.each(KINDS)('a %s of this height and the next is accepted, as the same object', (kind) => {
    for (const height of [HEIGHT, HEIGHT + 1]) {
      const message = at(height)[kind]!;
      expect(verifyMessage(context(), message)).toEqual({ verdict: 'accept', message });
    }
  });

  test.each(KINDS)('a %s of the next height is ignored while its validators are not known', (kind) => {
    const within = context({}, (height) => height <= HEIGHT);
    expect(outcome(at(HEIGHT + 1)[kind]!, within)).toBe('ignore ahead');
  });

  test.each(KINDS)('a %s of a height further on is ignored, known or not', (kind) => {
    expect(outcome(at(HEIGHT + 2)[kind]!)).toBe('ignore ahead');
  });

  test.each(KINDS)('a %s from below: only votes count, while their set is known', (kind) => {
    for (const height of [HEIGHT - 1, HEIGHT - 3]) {
      expect(outcome(at(height)[kind]!)).toBe(isVote(kind) ? 'accept' : 'ignore over');
      const within = context({}, (other) => other >= HEIGHT);
      expect(outcome(at(height)[kind]!, within)).toBe('ignore over');
    }
  });

  test('a forged vote from below is rejected: nobody is sent a decision in the name of another', () => {
    expect(outcome(forged(vote(cast, 0, { height: HEIGHT - 1 })))).toBe('reject bad-signature');
  });
});

describe('by round', () => {
  test('votes, proposals, polkas and commits of any round are accepted', () => {
    for (const round of [0, 1, 3, 90]) {
      const { 'round certificate': _reason, ...others } = at(HEIGHT, round);
      for (const message of Object.values(others)) expect(outcome(message)).toBe('accept');
    }
  });

  test('a round certificate counts for rounds not yet entered', () => {
    const reasonFor = (round: number, height = HEIGHT): Message =>
      roundCertificate(
        round,
        'skip',
        [0, 3].map((each) => vote(cast, each, { height, round })),
      );
    expect(outcome(reasonFor(ROUND - 1))).toBe('ignore over');
    expect(outcome(reasonFor(ROUND))).toBe('ignore over');
    expect(outcome(reasonFor(ROUND + 1))).toBe('accept');
    expect(outcome(reasonFor(1, HEIGHT + 1))).toBe('accept');
  });
});

describe('is rejected', () => {
  const five = castOf(1, 1, 1, 1, 1);
  test.each<[string, Message, string]>([
    ['a proposal of another than the proposer', proposal(cast, 3), 'not-the-proposer'],
    [
      'a proposal of the proposer for another round',
      proposal(cast, PROPOSER, { round: 3 }),
      'not-the-proposer',
    ],
    ['a proposal on its own round', { ...proposal(cast, PROPOSER), validRound: ROUND }, 'malformed'],
    ['a forged proposal', forged(proposal(cast, PROPOSER)), 'bad-signature'],
    ['a forged vote', forged(vote(cast, 1)), 'bad-signature'],
    ["another's vote", { ...vote(cast, 1), validator: 2 }, 'bad-signature'],
    ['a vote of no member', vote(five, 4), 'not-a-member'],
    ['a vote out of form', { ...precommit(cast, 1), validRound: 0 }, 'malformed'],
    ['a light polka', polkaCertificate([vote(cast, 0), vote(cast, 1)]), 'too-light'],
    ['a light commit', commitCertificate([precommit(cast, 0), precommit(cast, 1)]), 'too-light'],
    [
      'a commit with one bad signature',
      commitCertificate([...signers.map((each) => precommit(cast, each)), forged(precommit(cast, 3))]),
      'bad-signature',
    ],
    [
      'a certificate with votes that are no reason',
      {
        ...roundCertificate(3, 'skip', [vote(cast, 0, { round: 3 }), vote(cast, 1, { round: 3 })]),
        round: 4,
      },
      'wrong-vote',
    ],
  ])('%s', (_name, message, reason) => {
    expect(outcome(message)).toBe(`reject ${reason}`);
  });

  test('a vote of a member of another height, by the set of its own', () => {
    const alone: Start = { ...start, validators: castOf(1).set };
    const within = context({ startOf: (height) => (height === HEIGHT ? start : alone) });
    expect(outcome(vote(cast, 1), within)).toBe('accept');
    expect(outcome(vote(cast, 1, { height: HEIGHT + 1 }), within)).toBe('reject not-a-member');
  });
});

describe('signatures come last', () => {
  const never: Verify = () => {
    throw new Error('a signature was checked');
  };

  test.each<[string, Message, Partial<VerifyContext>]>([
    ['what is known', vote(cast, 0), { isKnown: () => true }],
    ['what is over', at(HEIGHT - 1)['commit']!, {}],
    ['what is ahead', at(HEIGHT + 2)['prevote']!, {}],
    ['a proposal of the wrong validator', proposal(cast, 0), {}],
    ['a light certificate', polkaCertificate([vote(cast, 0)]), {}],
    ['a message out of form', { ...vote(cast, 0), round: -1 }, {}],
  ])('%s costs none', (_name, message, overrides) => {
    expect(outcome(message, context({ verify: never, ...overrides }))).toMatch(/^(ignore|reject) /);
  });

  test('the text of a certificate is made once, and every signature is checked against it', () => {
    const texts: Uint8Array[] = [];
    const verify: Verify = (key, text, signature) => {
      texts.push(text);
      return nativeVerify(key, text, signature);
    };
    const polka = polkaCertificate([0, 1, 2, 3].map((each) => vote(cast, each)));
    expect(outcome(polka, context({ verify }))).toBe('accept');
    expect(texts).toHaveLength(4);
    expect(new Set(texts).size).toBe(1);
  });
});

test('the engine is asked about the very message, and only its yes counts', () => {
  const first = vote(cast, 0, { blockId: A });
  const second = vote(cast, 0, { blockId: B });
  const within = context({ isKnown: (message) => message === first });
  expect(outcome(first, within)).toBe('ignore known');
  expect(outcome(second, within)).toBe('accept');
});
