import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Signature } from '../../src/base/ids.ts';
import { HEIGHT_MAX, ROUND_MAX, VALIDATORS_MAX } from '../../src/base/limits.ts';
import { formProblem } from '../../src/consensus/form.ts';
import type { Message, Vote } from '../../src/consensus/types.ts';
import { A, anyMessage } from './signed.ts';

const signature = new Uint8Array(64) as Signature;
const prevote: Vote = {
  kind: 'prevote',
  height: 5,
  round: 2,
  blockId: A,
  validRound: 1,
  validator: 3,
  signature,
};
const precommit: Vote = { ...prevote, kind: 'precommit', validRound: -1 };
const proposal: Message = { ...prevote, kind: 'proposal', blockId: A };
const signatures = [
  { validator: 0, signature },
  { validator: 3, signature },
];
const commit: Message = { kind: 'commit-certificate', height: 5, round: 2, blockId: A, signatures };
const polka: Message = { ...commit, kind: 'polka-certificate', validRound: 1 };
const round: Message = {
  kind: 'round-certificate',
  height: 5,
  round: 2,
  reason: 'skip',
  votes: [{ ...prevote, validator: 0 }, precommit],
};

test('messages as validators make them are in form', () => {
  fc.assert(fc.property(anyMessage, (message) => formProblem(message) === undefined));
});

const IN_FORM: readonly [string, Message][] = [
  ['the first height and round', { ...prevote, height: 0, round: 0, validRound: -1 }],
  [
    'the last height and round',
    { ...prevote, height: HEIGHT_MAX, round: ROUND_MAX, validRound: ROUND_MAX - 1 },
  ],
  ['the last validator', { ...precommit, validator: VALIDATORS_MAX - 1 }],
  ['a vote for nil', { ...prevote, blockId: null, validRound: -1 }],
  ['a proposal', proposal],
  ['a polka', polka],
  ['a commit', commit],
  ['a reason for a round', round],
];

test.each(IN_FORM)('%s is in form', (_name, message) => {
  expect(formProblem(message)).toBeUndefined();
});

const manySignatures = Array.from({ length: VALIDATORS_MAX + 1 }, (_, validator) => ({
  validator,
  signature,
}));
const HEIGHT = 'the height is out of range';
const ROUND = 'the round is out of range';
const VALID_ROUND = 'the valid round is out of range';
const SIGNER = 'a signer is out of range';
const ORDER = 'signers are repeated or not in ascending order';

const OUT_OF_FORM: readonly [string, Message, string][] = [
  ['a height below 0', { ...prevote, height: -1 }, HEIGHT],
  ['a height above the last', { ...prevote, height: HEIGHT_MAX + 1 }, HEIGHT],
  ['half a height', { ...commit, height: 0.5 }, HEIGHT],
  ['no height', { ...commit, height: Number.NaN }, HEIGHT],
  ['a round below 0', { ...commit, round: -1 }, ROUND],
  ['a round above the last', { ...commit, round: ROUND_MAX + 1 }, ROUND],
  ['a signer below 0', { ...prevote, validator: -1 }, SIGNER],
  ['a signer above the last', { ...prevote, validator: VALIDATORS_MAX }, SIGNER],
  ['a proposal on its own round', { ...proposal, validRound: 2 }, VALID_ROUND],
  ['a valid round below none', { ...proposal, validRound: -2 }, VALID_ROUND],
  ['a prevote on its own round', { ...prevote, validRound: 2 }, VALID_ROUND],
  ['a prevote for nil with a valid round', { ...prevote, blockId: null }, VALID_ROUND],
  ['a precommit with a valid round', { ...precommit, validRound: 1 }, VALID_ROUND],
  ['a polka on its own round', { ...polka, validRound: 2 }, VALID_ROUND],
  ['a certificate of nobody', { ...commit, signatures: [] }, 'it has 0 signers'],
  ['a certificate of too many', { ...commit, signatures: manySignatures }, 'it has 101 signers'],
  ['a certificate with one signer twice', { ...polka, signatures: [signatures[0]!, signatures[0]!] }, ORDER],
  ['a certificate out of order', { ...commit, signatures: signatures.toReversed() }, ORDER],
  ['a certificate of a signer above the last', { ...commit, signatures: manySignatures.slice(100) }, SIGNER],
  ['a reason for round 0', { ...round, round: 0 }, 'round 0 needs no reason'],
  ['a reason with votes out of order', { ...round, votes: round.votes.toReversed() }, ORDER],
  ['a reason without votes', { ...round, votes: [] }, 'it has 0 signers'],
  [
    'a reason with a vote of another height',
    { ...round, votes: [{ ...prevote, height: 4 }] },
    'a vote is of another height',
  ],
  ['a reason with a vote out of form', { ...round, votes: [{ ...precommit, validRound: 0 }] }, VALID_ROUND],
];

test.each(OUT_OF_FORM)('%s is out of form', (_name, message, problem) => {
  expect(formProblem(message)).toBe(problem);
});
