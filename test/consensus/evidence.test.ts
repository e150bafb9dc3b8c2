import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { concat, toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NetworkId, Signature } from '../../src/base/ids.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX } from '../../src/base/limits.ts';
import { commitCertificate } from '../../src/consensus/certificate.ts';
import {
  attackOf,
  conflictOf,
  decodeEvidence,
  encodeEvidence,
  guiltyOf,
  offenceKey,
  offencesOf,
  verifyEvidence,
} from '../../src/consensus/evidence.ts';
import { applyRound, type RoundInput, type RoundState, UNSTARTED } from '../../src/consensus/round.ts';
import type { BlockId, CommitCertificate, Evidence, Proposal, Vote } from '../../src/consensus/types.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { mutate, seeded } from '../fuzz/mutate.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';
import { A, B, C, castOf, forged, network, precommit, proposal, vote } from './signed.ts';
import { VECTOR_SET, VECTORS } from './vectors.ts';

const cast = castOf(1, 1, 1, 1);
type Said = Proposal | Vote;
const prevote = (round: number, blockId: BlockId | null, validRound = -1): Vote =>
  vote(cast, 1, { round, blockId, validRound });
const commits = (round: number, blockId: BlockId | null): Vote => precommit(cast, 1, { round, blockId });
const proposes = (round: number, blockId: BlockId, validRound = -1): Proposal =>
  proposal(cast, 1, { round, blockId, validRound });

const GUILTY: readonly [string, Said, Said, Evidence['kind']][] = [
  ['prevotes for two blocks', prevote(2, A), prevote(2, B), 'double-vote'],
  ['prevotes for a block and nil', prevote(2, A), prevote(2, null), 'double-vote'],
  ['prevotes for a block on two valid rounds', prevote(2, A, 0), prevote(2, A, 1), 'double-vote'],
  ['prevotes for a block, fresh and repeated', prevote(2, A), prevote(2, A, 1), 'double-vote'],
  ['precommits for two blocks', commits(2, A), commits(2, B), 'double-vote'],
  ['precommits for a block and nil', commits(2, null), commits(2, B), 'double-vote'],
  ['proposals of two blocks', proposes(2, A), proposes(2, B), 'double-proposal'],
  ['proposals of a block, fresh and repeated', proposes(2, A), proposes(2, A, 0), 'double-proposal'],
  ['a later prevote for another fresh block', commits(2, A), prevote(3, B), 'amnesia'],
  ['a later prevote on a polka before the lock', commits(2, A), prevote(7, B, 1), 'amnesia'],
  ['a lock in round 0 forgotten', commits(0, A), prevote(1, B), 'amnesia'],
];

const INNOCENT: readonly [string, Said, Said][] = [
  ['the same prevote twice', prevote(2, A, 1), prevote(2, A, 1)],
  ['the same proposal twice', proposes(2, A), proposes(2, A)],
  ['nil twice', prevote(2, null), prevote(2, null)],
  ['prevotes of two rounds', prevote(2, A), prevote(3, B)],
  ['precommits of two rounds', commits(2, A), commits(3, B)],
  ['proposals of two rounds', proposes(2, A), proposes(3, B)],
  ['a prevote and a precommit of one round', prevote(2, A), commits(2, B)],
  ['a proposal and a vote', proposes(2, A), prevote(2, B)],
  ['a prevote on the polka of the lock round', commits(2, A), prevote(3, B, 2)],
  ['a prevote on a polka after the lock', commits(2, A), prevote(5, B, 4)],
  ['a prevote before the lock', commits(2, A), prevote(1, B)],
  ['a prevote for the locked block on an old polka', commits(2, A), prevote(3, A, 0)],
  ['a prevote for nil after the lock', commits(2, A), prevote(3, null)],
  ['a prevote after a precommit for nil', commits(2, null), prevote(3, B)],
  ['votes of two validators', prevote(2, A), vote(cast, 2, { blockId: B })],
  ['votes of two heights', prevote(2, A), vote(cast, 1, { height: 6, blockId: B })],
];

describe('found in pairs', () => {
  test.each(GUILTY)('%s are evidence, in either order', (_name, a, b, kind) => {
    const evidence = conflictOf(a, b)!;
    expect(evidence.kind).toBe(kind);
    expect(conflictOf(b, a)).toEqual(evidence);
    expect(verifyEvidence(network, cast.set, evidence, nativeVerify)).toBeUndefined();
    expect(guiltyOf(evidence)).toEqual([1]);
  });

  test.each(INNOCENT)('%s are none', (_name, a, b) => {
    expect(conflictOf(a, b)).toBeUndefined();
    expect(conflictOf(b, a)).toBeUndefined();
  });
});

// ---- An honest validator -----------------------------------------------------------------------------------------

/** Everything a validator says at one height when the outside does `inputs` to the round machine. */
function history(inputs: readonly RoundInput[], apply: typeof applyRound): Said[] {
  const said: Said[] = [];
  let state: RoundState = UNSTARTED;
  const base = { height: 5, validator: 1, signature: new Uint8Array(64) as Signature };
  for (const input of inputs) {
    const transition = apply(state, input, (round) => round % 3 === 1);
    state = transition.state;
    for (const output of transition.outputs) {
      const { kind } = output;
      if (kind === 'propose' || kind === 'prevote')
        said.push({ ...base, kind: kind === 'propose' ? 'proposal' : kind, ...pick(output) } as Said);
      if (kind === 'precommit') said.push({ ...base, kind, ...pick(output), validRound: -1 } as Said);
    }
  }
  return said;
}

function pick(output: { round: number; blockId: BlockId | null; validRound?: number }): object {
  const { kind: _kind, ...fields } = output as { kind?: string };
  return fields;
}

function evidenceIn(said: readonly Said[]): Evidence[] {
  const found: Evidence[] = [];
  for (const [index, first] of said.entries()) {
    for (const second of said.slice(index + 1)) {
      const evidence = conflictOf(first, second);
      if (evidence !== undefined) found.push(evidence);
    }
  }
  return found;
}

/** The published condition, which also lets a validator prevote the block it is locked on, whatever the valid round. */
const relaxed: typeof applyRound = (state, input, isProposer) => {
  const isProposal = input.kind === 'fresh-proposal' || input.kind === 're-proposal';
  if (!isProposal || state.lockedBlock !== input.blockId) return applyRound(state, input, isProposer);
  const { lockedRound, lockedBlock } = state;
  const transition = applyRound({ ...state, lockedRound: -1, lockedBlock: null }, input, isProposer);
  return { ...transition, state: { ...transition.state, lockedRound, lockedBlock } };
};

/** What the outside can do in one round, in any order and number. Rounds go up to 6, over three blocks. */
const blocks = fc.constantFrom(A, B, C);
const anyRound = fc.integer({ min: 0, max: 6 });
const timeouts = fc.constantFrom('propose' as const, 'prevote' as const, 'precommit' as const);
const deed = (round: number): fc.Arbitrary<RoundInput> =>
  fc.oneof(
    fc.record({ kind: fc.constant('value' as const), round: fc.constant(round), blockId: blocks }),
    fc.record({
      kind: fc.constant('fresh-proposal' as const),
      round: fc.constant(round),
      blockId: blocks,
      isValid: fc.constantFrom(true, true, false),
    }),
    fc.record({
      kind: fc.constant('re-proposal' as const),
      round: fc.constant(round),
      blockId: blocks,
      validRound: fc.integer({ min: 0, max: Math.max(0, round - 1) }),
      isValid: fc.constantFrom(true, true, false),
    }),
    fc.record({
      kind: fc.constant('polka' as const),
      round: fc.constant(round),
      blockId: blocks,
      validRound: fc.constant(-1),
    }),
    fc.record({ kind: fc.constant('earlier-polka' as const), round: anyRound, blockId: blocks }),
    fc.record({ kind: fc.constant('nil-polka' as const), round: fc.constant(round) }),
    fc.record({ kind: fc.constant('timeout' as const), timeout: timeouts, round: fc.constant(round) }),
    fc.record({ kind: fc.constant('prevote-any' as const), round: fc.constant(round) }),
  );
const life: fc.Arbitrary<RoundInput[]> = fc
  .tuple(
    ...Array.from({ length: 7 }, (_, round) =>
      fc
        .array(deed(round), { maxLength: 6 })
        .map((deeds): RoundInput[] => [
          round === 0 ? { kind: 'start', round } : { kind: 'skip', round },
          ...deeds.filter((each) => each.kind !== 're-proposal' || round > 0),
        ]),
    ),
  )
  .map((rounds) => rounds.flat());

describe('an honest validator', () => {
  test('is never convicted, whatever the others and the network do to it', () => {
    fc.assert(
      fc.property(life, (inputs) => {
        expect(evidenceIn(history(inputs, applyRound))).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  /** One that nobody can blame under strict locks; B is the block that was repeated to it on an old polka. */
  const framing: RoundInput[] = [
    { kind: 'start', round: 0 },
    { kind: 'timeout', timeout: 'propose', round: 0 },
    { kind: 'skip', round: 1 },
    { kind: 'fresh-proposal', round: 1, blockId: A, isValid: true },
    { kind: 'polka', round: 1, blockId: A, validRound: -1 },
    { kind: 'skip', round: 2 },
    { kind: 're-proposal', round: 2, blockId: B, validRound: 0, isValid: true },
    { kind: 'polka', round: 2, blockId: B, validRound: 0 },
    { kind: 'skip', round: 3 },
    { kind: 're-proposal', round: 3, blockId: B, validRound: 0, isValid: true },
  ];

  test('would be framed under the published lock rule, and is not under ours', () => {
    expect(evidenceIn(history(framing, relaxed)).map(({ kind }) => kind)).toEqual(['amnesia']);
    expect(evidenceIn(history(framing, applyRound))).toEqual([]);
    const isFramed = (inputs: RoundInput[]): boolean => evidenceIn(history(inputs, relaxed)).length > 0;
    expect(fc.sample(life, { numRuns: 3000, seed: 1 }).some(isFramed)).toBe(true);
  });
});

// ---- Judging -----------------------------------------------------------------------------------------------------

const judge = (evidence: Evidence, on: NetworkId = network): string | undefined =>
  verifyEvidence(on, cast.set, evidence, nativeVerify);

describe('evidence proves nothing', () => {
  const pairs = GUILTY.map(([name, a, b]) => [name, conflictOf(a, b)!] as const);

  test.each(pairs)('when a signature is bad: %s', (_name, evidence) => {
    for (const member of ['first', 'second', 'precommit', 'prevote']) {
      const message = (evidence as unknown as Record<string, Said | undefined>)[member];
      if (message === undefined) continue;
      expect(judge({ ...evidence, [member]: forged(message) } as Evidence)).toBe('bad-signature');
      expect(judge({ ...evidence, [member]: { ...message, height: 6 } } as Evidence)).toBe('no-conflict');
      expect(judge({ ...evidence, [member]: { ...message, validator: 2 } } as Evidence)).toBe('no-conflict');
      expect(judge({ ...evidence, [member]: { ...message, round: -1 } } as Evidence)).toBe('malformed');
    }
  });

  test.each(pairs)('in another network, or of who is no member: %s', (_name, evidence) => {
    expect(judge(evidence, digestFrom<NetworkId>('another network'))).toBe('bad-signature');
    const alone = castOf(1).set;
    expect(verifyEvidence(network, alone, evidence, nativeVerify)).toBe('not-a-member');
  });

  test.each(INNOCENT)('when there is no conflict: %s', (_name, a, b) => {
    const claims = [
      { kind: 'double-vote', first: a, second: b },
      { kind: 'double-proposal', first: a, second: b },
      { kind: 'amnesia', precommit: a, prevote: b },
      { kind: 'amnesia', precommit: b, prevote: a },
    ] as Evidence[];
    for (const claim of claims) expect(judge(claim)).toBe('no-conflict');
  });

  test('under the name of another kind', () => {
    const [first, second] = [commits(2, A), prevote(3, B)];
    expect(judge({ kind: 'double-vote', first, second })).toBe('no-conflict');
    expect(judge({ kind: 'amnesia', precommit: second, prevote: first })).toBe('no-conflict');
    expect(judge({ kind: 'amnesia', precommit: commits(2, A), prevote: commits(2, B) })).toBe('no-conflict');
  });
});

test('the order of a double vote does not matter to the judge', () => {
  const [first, second] = [prevote(2, A), prevote(2, B)];
  expect(judge({ kind: 'double-vote', first, second })).toBeUndefined();
  expect(judge({ kind: 'double-vote', first: second, second: first })).toBeUndefined();
});

describe('a light-client attack', () => {
  const commit = (round: number, blockId: BlockId, ...signers: number[]): CommitCertificate =>
    commitCertificate(signers.map((each) => precommit(cast, each, { round, blockId })));

  test('in one round convicts whoever signed both', () => {
    const attack = attackOf(commit(2, B, 1, 2, 3), commit(2, A, 0, 1, 3))!;
    expect(judge(attack)).toBeUndefined();
    expect(guiltyOf(attack)).toEqual([1, 3]);
  });

  test('across rounds is proven and convicts nobody: an honest validator may lock again', () => {
    const attack = attackOf(commit(4, B, 1, 2, 3), commit(2, A, 0, 1, 3))!;
    expect(judge(attack)).toBeUndefined();
    expect(guiltyOf(attack)).toEqual([]);
  });

  test('is none for one block in two rounds, or two heights', () => {
    expect(attackOf(commit(4, A, 1, 2, 3), commit(2, A, 0, 1, 3))).toBeUndefined();
    const above = commitCertificate(
      [1, 2, 3].map((each) => precommit(cast, each, { height: 6, blockId: B })),
    );
    expect(attackOf(above, commit(2, A, 0, 1, 3))).toBeUndefined();
    const claim = { conflicting: above, committed: commit(2, A, 0, 1, 3) };
    expect(judge({ kind: 'light-client-attack', ...claim })).toBe('no-conflict');
  });

  test('is refused when either certificate is not good', () => {
    const good = commit(2, A, 0, 1, 3);
    const light = commit(2, B, 1, 2);
    const bad = commitCertificate([
      forged(precommit(cast, 0, { blockId: B })),
      ...[1, 2, 3].map((each) => precommit(cast, each, { blockId: B })),
    ]);
    expect(judge(attackOf(light, good)!)).toBe('too-light');
    expect(judge(attackOf(good, light)!)).toBe('too-light');
    expect(judge(attackOf(bad, good)!)).toBe('bad-signature');
    expect(judge(attackOf(good, bad)!)).toBe('bad-signature');
  });
});

describe('offences', () => {
  test('are the same whichever evidence proves them', () => {
    const pair = conflictOf(commits(2, A), commits(2, B))!;
    const attack = attackOf(
      commitCertificate([1, 2, 3].map((each) => precommit(cast, each, { blockId: B }))),
      commitCertificate([0, 1, 2].map((each) => precommit(cast, each))),
    )!;
    expect(offencesOf(pair)).toEqual([{ validator: 1, height: 5, round: 2, kind: 'precommit' }]);
    expect(offencesOf(attack)).toContainEqual(offencesOf(pair)[0]);
    expect(offencesOf(attack).map(offenceKey)).toContain(offenceKey(offencesOf(pair)[0]!));
  });

  test('have the same key whatever the block, and another for another place, kind or validator', () => {
    const keyOf = (a: Said, b: Said): string => offenceKey(offencesOf(conflictOf(a, b)!)[0]!);
    expect(keyOf(prevote(2, A), prevote(2, B))).toBe(keyOf(prevote(2, null), prevote(2, C)));
    const keys = [
      keyOf(prevote(2, A), prevote(2, B)),
      keyOf(prevote(3, A), prevote(3, B)),
      keyOf(commits(2, A), commits(2, B)),
      keyOf(proposes(2, A), proposes(2, B)),
      keyOf(commits(1, A), prevote(2, B)),
      keyOf(vote(cast, 2), vote(cast, 2, { blockId: B })),
      keyOf(vote(cast, 1, { height: 6 }), vote(cast, 1, { height: 6, blockId: B })),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

// ---- Wire form -----------------------------------------------------------------------------------------------------

describe('encoded', () => {
  test.each(VECTORS.evidence.map((entry) => [entry.name, entry] as const))(
    '%s: frozen bytes',
    (_name, entry) => {
      expect(toHex(encodeEvidence(entry.evidence))).toBe(toHex(entry.encoded));
      const read = decodeEvidence(entry.encoded);
      expect(read).toEqual(entry.evidence);
      expect(verifyEvidence(VECTORS.network, VECTOR_SET, read, nativeVerify)).toBeUndefined();
      expect(guiltyOf(read)).toEqual(entry.guilty);
    },
  );

  test.each(GUILTY)('%s come back', (_name, a, b) => {
    const evidence = conflictOf(a, b)!;
    expect(decodeEvidence(encodeEvidence(evidence))).toEqual(evidence);
  });

  test('a pair has one encoding, in whichever order it is given', () => {
    const [first, second] = [prevote(2, B), prevote(2, A)];
    const bytes = encodeEvidence({ kind: 'double-vote', first, second });
    expect(toHex(bytes)).toBe(toHex(encodeEvidence({ kind: 'double-vote', first: second, second: first })));
    const half = (bytes.length - 2) / 2;
    const swapped = concat(bytes.subarray(0, 2), bytes.subarray(2 + half), bytes.subarray(2, 2 + half));
    expect(refusal(swapped)).toContain('in the wrong order');
  });

  test('whatever is accepted encodes to the same bytes', () => {
    const samples = VECTORS.evidence.map(({ encoded }) => encoded);
    const next = seeded(9);
    let accepted = 0;
    for (let round = 0; round < 10_000; round++) {
      const bytes = mutate(samples, next);
      try {
        expect(toHex(encodeEvidence(decodeEvidence(bytes)))).toBe(toHex(bytes));
        accepted++;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
      }
    }
    expect(accepted).toBeGreaterThan(500);
  });

  test('what holds no conflict is not encoded', () => {
    const [first, second] = [prevote(2, A), prevote(3, B)];
    expect(() => encodeEvidence({ kind: 'double-vote', first, second })).toThrow(AssertionError);
  });
});

const refusal = (bytes: Uint8Array): string =>
  expectCode('INVALID_ENCODING', () => decodeEvidence(bytes)).message;

describe('decoding refuses', () => {
  test.each(VECTORS.evidence.map((entry) => [entry.name, entry.encoded] as const))(
    '%s cut anywhere, with a byte behind, or of another kind',
    (_name, encoded) => {
      for (let length = 0; length < encoded.length; length++) refusal(encoded.subarray(0, length));
      expect(refusal(concat(encoded, new Uint8Array(1)))).toContain('1 bytes follow its end');
      for (const tag of [0, 1, 2, 3, 4, 5, 255]) {
        if (tag !== encoded[1]) expect(refusal(encoded.with(1, tag))).toContain(`no evidence of kind ${tag}`);
      }
      expect(refusal(encoded.with(0, 2))).toContain('protocol 2 is unknown');
    },
  );

  test('one message twice', () => {
    const { encoded } = VECTORS.evidence.find(({ name }) => name === 'double precommit')!;
    const half = (encoded.length - 2) / 2;
    const twice = concat(encoded.subarray(0, 2 + half), encoded.subarray(2, 2 + half));
    expect(refusal(twice)).toContain('no evidence of kind 1');
  });

  test('more than a message may have, unread', () => {
    expect(refusal(new Uint8Array(CONSENSUS_MESSAGE_LENGTH_MAX + 1))).toContain('32769 bytes');
  });
});
