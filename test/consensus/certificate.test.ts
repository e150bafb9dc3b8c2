import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import {
  checkCertificate,
  commitCertificate,
  polkaCertificate,
  roundCertificate,
  votesOf,
} from '../../src/consensus/certificate.ts';
import { isSigned } from '../../src/consensus/sign-bytes.ts';
import type { Certificate, RoundCertificate, Vote } from '../../src/consensus/types.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { A, B, type Cast, castOf, forged, network, precommit, vote } from './signed.ts';
import { VECTOR_SET, VECTORS } from './vectors.ts';

const four = castOf(1, 1, 1, 1);
const check = (cast: Cast, certificate: Certificate): string | undefined =>
  checkCertificate(network, cast.set, certificate, nativeVerify);

const polkaOf = (cast: Cast, ...signers: number[]): Certificate =>
  polkaCertificate(signers.map((signer) => vote(cast, signer, { validRound: 1 })));
const commitOf = (cast: Cast, ...signers: number[]): Certificate =>
  commitCertificate(signers.map((signer) => precommit(cast, signer)));
/** Reason 1 for round 3: precommits of round 2, for whatever. */
const precommitsOf = (cast: Cast, ...signers: number[]): RoundCertificate =>
  roundCertificate(
    3,
    'precommit-any',
    signers.map((signer) => precommit(cast, signer, { blockId: [A, null, B][signer % 3]! })),
  );
/** Reason 2 for round 3: votes of rounds 3 and above. */
const skipOf = (cast: Cast, ...signers: number[]): RoundCertificate =>
  roundCertificate(
    3,
    'skip',
    signers.map((signer) =>
      vote(cast, signer, { kind: signer % 2 === 0 ? 'prevote' : 'precommit', round: 3 + signer }),
    ),
  );

const ALL = { polka: polkaOf, commit: commitOf, 'precommit-any': precommitsOf, skip: skipOf };
const MAKERS = Object.entries(ALL) as [string, (cast: Cast, ...signers: number[]) => Certificate][];

describe('weight', () => {
  test.each([
    ['polka', [1, 1, 1, 1], [0, 1, 2], [0, 1]],
    ['commit', [1, 1, 1, 1], [1, 2, 3], [1, 3]],
    ['precommit-any', [1, 1, 1, 1], [0, 2, 3], [0, 3]],
    ['skip', [1, 1, 1, 1], [0, 3], [2]],
    // Exactly two thirds, and exactly one third, are not enough.
    ['polka', [1, 1, 1], [0, 1, 2], [0, 1]],
    ['commit', [2, 2, 2], [0, 1, 2], [1, 2]],
    ['precommit-any', [4, 1, 1], [0, 1, 2], [0]],
    ['skip', [1, 1, 1], [0, 1], [1]],
    // 9 in all: a quorum has 7, a weak set 4.
    ['polka', [3, 2, 2, 2], [0, 1, 3], [1, 2, 3]],
    ['commit', [3, 2, 2, 2], [0, 2, 3], [0, 1]],
    ['precommit-any', [3, 2, 2, 2], [0, 1, 2], [1, 2, 3]],
    ['skip', [3, 2, 2, 2], [1, 2], [0]],
    // 8 in all: one validator alone is weak, and nobody is a quorum without it.
    ['commit', [5, 1, 1, 1], [0, 1], [1, 2, 3]],
    ['skip', [5, 1, 1, 1], [0], [1, 2]],
    ['commit', [1], [0], []],
  ] as const)('of a %s among %j: %j is enough, %j is not', (kind, powers, enough, short) => {
    const cast = castOf(...powers);
    expect(check(cast, ALL[kind](cast, ...enough))).toBeUndefined();
    if (short.length > 0) expect(check(cast, ALL[kind](cast, ...short))).toBe('too-light');
  });

  test('is counted as the sum says, for any powers and signers', () => {
    const powers = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(powers, fc.integer({ min: 1, max: 63 }), (list, mask) => {
        const signers = list.map((_, index) => index).filter((index) => (mask >> index) & 1);
        if (signers.length === 0) return;
        const cast = castOf(...list);
        const total = list.reduce((sum, power) => sum + power, 0);
        const power = signers.reduce((sum, index) => sum + list[index]!, 0);
        expect(check(cast, commitOf(cast, ...signers))).toBe(3 * power > 2 * total ? undefined : 'too-light');
        expect(check(cast, skipOf(cast, ...signers))).toBe(3 * power > total ? undefined : 'too-light');
      }),
      { numRuns: 60 },
    );
  });
});

describe.each(MAKERS)('a %s certificate', (_name, make) => {
  test('is good however the votes came', () => {
    expect(make(four, 3, 0, 2)).toEqual(make(four, 0, 2, 3));
    expect(check(four, make(four, 3, 0, 2, 1))).toBeUndefined();
  });

  test('stands for votes that are signed', () => {
    const votes = votesOf(make(four, 0, 1, 3));
    expect(votes.map((each) => each.validator)).toEqual([0, 1, 3]);
    for (const each of votes) expect(isSigned(network, four.set, each, nativeVerify)).toBe(true);
  });

  test('is refused whole for one bad signature, though the others are a quorum', () => {
    const good = make(four, 0, 1, 2, 3);
    for (let at = 0; at < 4; at++) {
      expect(
        check(
          four,
          changed(good, (list) => list.with(at, forged(list[at]!))),
        ),
      ).toBe('bad-signature');
    }
  });

  test("is refused for a member's signature under another's name", () => {
    const good = make(four, 0, 1, 2);
    const renamed = changed(good, (list) => list.with(2, { ...list[2]!, validator: 3 }));
    expect(check(four, renamed)).toBe('bad-signature');
  });

  test('is refused when a signer stands twice, or signers do not ascend', () => {
    const good = make(four, 0, 1, 2);
    expect(
      check(
        four,
        changed(good, ([first, second]) => [first!, second!, second!]),
      ),
    ).toBe('malformed');
    expect(
      check(
        four,
        changed(good, (list) => list.toReversed()),
      ),
    ).toBe('malformed');
    expect(
      check(
        four,
        changed(good, () => []),
      ),
    ).toBe('malformed');
  });

  test('is refused when a signer is no member', () => {
    const cast = castOf(1, 1, 1, 1, 1);
    expect(check(castOf(1, 1, 1, 1), make(cast, 1, 2, 3, 4))).toBe('not-a-member');
  });

  test('is refused in another network, and by another set', () => {
    const good = make(four, 0, 1, 2);
    const other = digestFrom<NetworkId>('another network');
    expect(checkCertificate(other, four.set, good, nativeVerify)).toBe('bad-signature');
    expect(check({ ...four, set: VECTOR_SET }, good)).toBe('bad-signature');
  });

  test('is not good at another height', () => {
    const moved = { ...make(four, 0, 1, 2), height: 6 } as Certificate;
    expect(check(four, moved)).toBe(moved.kind === 'round-certificate' ? 'malformed' : 'bad-signature');
  });
});

type Part = { readonly validator: number; readonly signature: Vote['signature'] };

function changed(certificate: Certificate, change: (list: readonly Part[]) => readonly Part[]): Certificate {
  if (certificate.kind === 'round-certificate')
    return { ...certificate, votes: change(certificate.votes) as readonly Vote[] };
  return { ...certificate, signatures: change(certificate.signatures) };
}

describe('a certificate speaks for its own statement only', () => {
  test.each<[string, Certificate]>([
    ['a polka for another block', { ...polkaOf(four, 0, 1, 2), blockId: B } as Certificate],
    ['a polka of another round', { ...polkaOf(four, 0, 1, 2), round: 4 }],
    ['a polka with another valid round', { ...polkaOf(four, 0, 1, 2), validRound: 0 } as Certificate],
    ['a commit for another block', { ...commitOf(four, 0, 1, 2), blockId: B } as Certificate],
    ['a commit of another round', { ...commitOf(four, 0, 1, 2), round: 3 }],
    [
      'a polka passed off as a commit',
      { ...polkaOf(four, 0, 1, 2), kind: 'commit-certificate' } as Certificate,
    ],
  ])('%s', (_name, certificate) => {
    expect(check(four, certificate)).toBe('bad-signature');
  });
});

describe('votes that do not support the reason of a round certificate refuse it', () => {
  const withVote = (certificate: RoundCertificate, last: Vote): string | undefined =>
    check(four, { ...certificate, votes: [...certificate.votes, last] });

  test('precommit-any: a prevote, or another round', () => {
    const certificate = precommitsOf(four, 0, 1, 2);
    expect(withVote(certificate, precommit(four, 3))).toBeUndefined();
    expect(withVote(certificate, vote(four, 3))).toBe('wrong-vote');
    expect(withVote(certificate, precommit(four, 3, { round: 3 }))).toBe('wrong-vote');
    expect(withVote(certificate, precommit(four, 3, { round: 1 }))).toBe('wrong-vote');
  });

  test('skip: a vote of a round before', () => {
    const certificate = skipOf(four, 0, 1);
    expect(withVote(certificate, vote(four, 3, { round: 3 }))).toBeUndefined();
    expect(withVote(certificate, vote(four, 3, { round: 2 }))).toBe('wrong-vote');
  });

  test('a skip to a later round than the votes', () => {
    expect(check(four, { ...skipOf(four, 0, 1), round: 4 })).toBe('wrong-vote');
  });
});

describe('making one stops the process', () => {
  test.each<[string, () => Certificate]>([
    ['without votes', () => commitCertificate([])],
    ['of votes for nil', () => commitCertificate([precommit(four, 0, { blockId: null })])],
    ['of votes of the other kind', () => polkaCertificate([precommit(four, 0)])],
    ['of prevotes', () => commitCertificate([vote(four, 0)])],
    ['of votes that differ in block', () => polkaCertificate([vote(four, 0), vote(four, 1, { blockId: B })])],
    [
      'of prevotes that differ in valid round',
      () => polkaCertificate([vote(four, 0), vote(four, 1, { validRound: 0 })]),
    ],
    ['of one vote twice', () => commitCertificate([precommit(four, 0), precommit(four, 0)])],
    ['of votes that are no reason', () => roundCertificate(3, 'precommit-any', [vote(four, 0)])],
    ['without a reason', () => roundCertificate(3, 'skip', [])],
  ])('%s', (_name, make) => {
    expect(make).toThrow(AssertionError);
  });
});

test('certificates of the second implementation are good', () => {
  for (const { message } of VECTORS.messages) {
    if (!message.kind.endsWith('certificate')) continue;
    const problem = checkCertificate(VECTORS.network, VECTOR_SET, message as Certificate, nativeVerify);
    expect(problem).toBeUndefined();
  }
});
