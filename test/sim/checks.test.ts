// The checks themselves: each is shown what it must see, by hand.

import { beforeEach, expect, test } from 'vitest';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import {
  type BlockId,
  NO_ROUND,
  type Proposal,
  type UnsignedMessage,
  type Vote,
  type VoteKind,
  type VoteValue,
} from '../../src/consensus/types.ts';
import type { Decision } from '../../src/node/validator/host-ports.ts';
import { blockIdOf, encodeBlock, GENESIS } from './application.ts';
import { Checks } from './checks.ts';
import { scenarioOf } from './scenario.ts';
import { signedBy } from './signer.ts';

const { chain, keys } = scenarioOf(1, { validatorCount: 4, areAllSound: true });
const A = 'aa'.repeat(32) as BlockId;
const B = 'bb'.repeat(32) as BlockId;

let checks: Checks;
beforeEach(() => {
  checks = new Checks({ chain, validators: [0, 1, 2, 3], faulty: new Set([3]) });
  for (const process of [0, 1, 2, 3]) {
    for (const blockId of [A, B]) {
      checks.applied(process, { kind: 'verdict', height: 1, blockId, isValid: true });
    }
  }
});

function sign<M extends UnsignedMessage>(message: M): Proposal | Vote {
  return signedBy(keys.signers[message.validator]!, signBytes(chain.network, message), message);
}

const vote = (
  kind: VoteKind,
  validator: number,
  round: number,
  blockId: VoteValue,
  validRound = NO_ROUND,
): Vote => sign({ kind, height: 1, round, blockId, validRound, validator }) as Vote;

/** A decision of height 1 by all of the four. */
function decision(serial: number, change: Partial<Parameters<typeof encodeBlock>[0]> = {}): Decision {
  const block = encodeBlock({ height: 1, parent: GENESIS, maker: 0, serial, isValid: true, ...change }, 0);
  const blockId = blockIdOf(block);
  const signatures = [0, 1, 2, 3].map((validator) => {
    const { signature } = vote('precommit', validator, 0, blockId);
    return { validator, signature };
  });
  checks.sent(
    0,
    sign({ kind: 'proposal', height: 1, round: 0, blockId, validRound: NO_ROUND, validator: 3 }),
  );
  return { certificate: { kind: 'commit-certificate', height: 1, round: 0, blockId, signatures }, block };
}

const property = (): string | undefined => checks.violation?.property;

test('two signatures for one place incriminate, the same one again does not', () => {
  checks.signed(0, vote('prevote', 0, 0, A));
  checks.signed(0, vote('prevote', 0, 0, A));
  checks.signed(1, vote('prevote', 1, 0, B));
  expect(property()).toBeUndefined();
  checks.signed(0, vote('prevote', 0, 0, null));
  expect(property()).toBe('self-incrimination');
});

test('a lock yields to a later polka only', () => {
  checks.signed(0, vote('precommit', 0, 1, A));
  checks.signed(0, vote('prevote', 0, 2, B, 1));
  checks.signed(0, vote('prevote', 0, 3, null));
  checks.signed(0, vote('prevote', 0, 4, A));
  expect(property()).toBeUndefined();
  checks.signed(0, vote('prevote', 0, 5, B, 0));
  expect(property()).toBe('lock discipline');
});

test('what leaves was signed before', () => {
  const said = vote('prevote', 0, 0, A);
  checks.signed(0, said);
  checks.sent(0, said);
  checks.sent(1, said);
  expect(property()).toBeUndefined();
  checks.sent(0, vote('precommit', 0, 0, A));
  expect(property()).toBe('self-incrimination');
});

test('nothing is expected of the faulty', () => {
  checks.signed(3, vote('prevote', 3, 0, A));
  checks.signed(3, vote('prevote', 3, 0, B));
  checks.sent(3, vote('precommit', 3, 0, B));
  checks.evidence(0, {
    kind: 'double-vote',
    first: vote('prevote', 3, 0, A),
    second: vote('prevote', 3, 0, B),
  });
  expect(property()).toBeUndefined();
  expect([...checks.accused]).toEqual([3]);
});

test('evidence against the honest, and evidence that proves nothing, are false', () => {
  checks.evidence(1, {
    kind: 'double-vote',
    first: vote('prevote', 0, 0, A),
    second: vote('prevote', 0, 0, B),
  });
  expect(property()).toBe('false accusation');
  checks.violation = undefined;
  checks.evidence(1, {
    kind: 'double-vote',
    first: vote('prevote', 3, 0, A),
    second: vote('prevote', 3, 0, A),
  });
  expect(property()).toBe('false accusation');
});

test('one decision a height, of all and of each', () => {
  const [first, second] = [decision(1), decision(2)];
  checks.decided(0, 1, first);
  checks.decided(0, 1, first);
  checks.decided(1, 1, first);
  expect(property()).toBeUndefined();
  checks.decided(2, 1, second);
  expect(property()).toBe('agreement');
  checks.violation = undefined;
  checks.decided(1, 1, second);
  expect(property()).toBe('integrity');
});

test.each([
  ['an invalid block', { isValid: false }, 'validity'],
  ['a block of another height', { height: 2 }, 'validity'],
  ['a block of another parent', { parent: A }, 'integrity'],
])('%s is not decided', (_name, change, expected) => {
  checks.decided(0, 1, decision(1, change));
  expect(property()).toBe(expected);
});

test('a decision is proven by its certificate and belongs to its block', () => {
  const { certificate, block } = decision(1);
  const signatures = certificate.signatures.slice(0, 1);
  checks.decided(0, 1, { certificate: { ...certificate, signatures }, block });
  expect(property()).toBe('validity');
  checks = new Checks({ chain, validators: [0, 1, 2, 3], faulty: new Set([3]) });
  checks.decided(0, 1, { certificate: decision(1).certificate, block: decision(2).block });
  expect(property()).toBe('validity');
});

test('a vote for a block that was not found valid is a violation, whoever else finds it so', () => {
  const C = 'cc'.repeat(32) as BlockId;
  checks.applied(1, { kind: 'verdict', height: 1, blockId: C, isValid: true });
  checks.applied(0, { kind: 'verdict', height: 1, blockId: C, isValid: false });
  checks.signed(1, vote('prevote', 1, 0, C));
  expect(property()).toBeUndefined();
  checks.signed(0, vote('prevote', 0, 0, C));
  expect(property()).toBe('validity');
});
