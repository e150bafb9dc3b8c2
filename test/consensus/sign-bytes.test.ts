import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/bytes.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { portableSigner, portableVerify } from '../../src/base/keys.ts';
import { isSigned, signBytes } from '../../src/consensus/sign-bytes.ts';
import type { BlockId, Proposal, UnsignedMessage, Vote } from '../../src/consensus/types.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { A, anyProposal, anyVote, B, castOf, forged, network, precommit, proposal, vote } from './signed.ts';
import { documented, VECTOR_SET, VECTORS } from './vectors.ts';

const cast = castOf(1, 1, 1, 1);

describe('sign bytes', () => {
  const frozen = VECTORS.messages.filter((entry) => entry.signBytes !== undefined);

  test.each(frozen.map((entry) => [entry.name, entry] as const))('of a %s are frozen', (_name, entry) => {
    const message = entry.message as Proposal | Vote;
    expect(toHex(signBytes(VECTORS.network, message))).toBe(toHex(entry.signBytes!));
    expect(isSigned(VECTORS.network, VECTOR_SET, message, portableVerify)).toBe(true);
    const seed = VECTORS.validators[message.validator]!.seed;
    expect(portableSigner(seed).sign(entry.signBytes!)).toEqual(message.signature);
  });

  test('are those of the documented example', () => {
    const { message } = VECTORS.messages.find((entry) => entry.name === 'precommit')!;
    expect(toHex(signBytes(VECTORS.network, message as Vote))).toBe(toHex(documented('Sign bytes')));
  });

  test('are the same for all prevotes of a polka and all precommits of a commit certificate', () => {
    for (const make of [vote, precommit]) {
      const texts = cast.signers.map((_, index) => toHex(signBytes(network, make(cast, index))));
      expect(new Set(texts).size).toBe(1);
    }
  });

  test('are made once for all who say the same one after the other, and anew when one says something else between', () => {
    const first = signBytes(network, vote(cast, 0));
    expect(signBytes(network, vote(cast, 1))).toBe(first);
    expect(signBytes(network, precommit(cast, 1))).not.toEqual(first);
    expect(signBytes(network, vote(cast, 2))).toBe(first);
    expect(signBytes(network, vote(cast, 2, { blockId: B }))).not.toEqual(first);
    expect(signBytes(network, vote(cast, 3))).toEqual(first);
  });

  test('are the same exactly for messages that say the same', () => {
    const said = ({ kind, height, round, blockId, validRound }: UnsignedMessage): string =>
      JSON.stringify([kind, height, round, blockId, validRound]);
    const narrow = fc
      .tuple(fc.oneof(anyProposal, anyVote), fc.nat(1), fc.nat(2), fc.constantFrom(A, B, null), fc.nat(2))
      .map(([message, height, round, block, valid]): UnsignedMessage => {
        const blockId = message.kind === 'proposal' ? (block ?? A) : block;
        const isFree = message.kind !== 'precommit' && blockId !== null;
        const validRound = isFree ? Math.min(valid, round) - 1 : -1;
        return { ...message, height, round, blockId, validRound } as UnsignedMessage;
      });
    fc.assert(
      fc.property(narrow, narrow, (a, b) => {
        const areEqual = toHex(signBytes(network, a)) === toHex(signBytes(network, b));
        expect(areEqual).toBe(said(a) === said(b));
      }),
      { numRuns: 2000 },
    );
  });

  test('of nil are not those of an id of zeros', () => {
    const nil = signBytes(network, vote(cast, 0, { blockId: null }));
    const zeros = signBytes(network, vote(cast, 0, { blockId: '00'.repeat(32) as BlockId }));
    expect(nil.length).toBe(zeros.length - 32);
  });

  test('of another network are others', () => {
    const other = digestFrom<NetworkId>('another network');
    expect(toHex(signBytes(other, vote(cast, 0)))).not.toBe(toHex(signBytes(network, vote(cast, 0))));
    expect(toHex(signBytes(Uint8Array.from(network) as NetworkId, vote(cast, 0)))).toBe(
      toHex(signBytes(network, vote(cast, 0))),
    );
  });

  test('of a message out of form, or for what is no network id, are not made', () => {
    expect(() => signBytes(network, { ...vote(cast, 0), round: -1 })).toThrow(AssertionError);
    expect(() => signBytes(network, { ...vote(cast, 0), blockId: 'aa' as BlockId })).toThrow(AssertionError);
    expect(() => signBytes(new Uint8Array(31) as NetworkId, vote(cast, 0))).toThrow(AssertionError);
  });
});

describe('a message is signed', () => {
  test('only by the member that it names, in its network, as it stands', () => {
    const good = vote(cast, 1, { validRound: 0 });
    const verifies = (message: Proposal | Vote, on = network): boolean =>
      isSigned(on, cast.set, message, nativeVerify);
    expect(verifies(good)).toBe(true);
    expect(verifies(proposal(cast, 2))).toBe(true);
    const changes: Partial<Vote>[] = [
      { validator: 0 },
      { validator: 4 },
      { kind: 'precommit', validRound: -1 },
      { height: 6 },
      { round: 3 },
      { blockId: B },
      { blockId: null, validRound: -1 },
      { validRound: 1 },
    ];
    for (const change of changes) expect(verifies({ ...good, ...change })).toBe(false);
    expect(verifies(forged(good))).toBe(false);
    expect(verifies(good, digestFrom<NetworkId>('another network'))).toBe(false);
  });
});
