// Any input of the engine, for tests of the write-ahead log: in form, with noise for signatures.

import fc from 'fast-check';
import { compare } from '../../src/base/bytes.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { BlockId, HeightStart, Input, Message } from '../../src/consensus/types.ts';
import { validatorSet } from '../../src/consensus/validator-set.ts';
import { anyMessage, anyProposal, anyVote } from './signed.ts';

const blockIds = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex') as BlockId);
const rounds = fc.integer({ min: 0, max: 9 });

/** The same said at another height. */
export function atHeight<T extends Message>(message: T, height: number): T {
  if (message.kind !== 'round-certificate') return { ...message, height };
  return { ...message, height, votes: message.votes.map((vote) => ({ ...vote, height })) };
}

/** The start of `height`. */
export function anyStart(height: number): fc.Arbitrary<HeightStart> {
  return fc
    .uniqueArray(
      fc.tuple(
        fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Uint8Array.from(bytes) as NodeId),
        fc.bigInt({ min: 1n, max: 2n ** 58n }),
      ),
      { minLength: 1, maxLength: 7, comparator: (a, b) => compare(a[0], b[0]) === 0 },
    )
    .chain((members) =>
      fc.record({
        height: fc.constant(height),
        validators: fc.constant(validatorSet(members.map(([node, power]) => ({ node, power })))),
        proposers: fc.record({
          firstHeight: fc.integer({ min: 0, max: height }),
          slots: fc.array(fc.nat(members.length - 1), { minLength: 1, maxLength: 20 }),
        }),
        self: fc.option(fc.nat(members.length - 1), { nil: undefined }),
      }),
    );
}

/** What may come after the start of `height`. */
export function anyInput(height: number): fc.Arbitrary<Input> {
  const signed = fc.oneof(anyProposal, anyVote).map((message) => atHeight(message, height));
  return fc.oneof(
    anyMessage.map((message): Input => ({ kind: 'message', message: atHeight(message, height) })),
    signed.map((message): Input => ({ kind: 'signed', message })),
    fc
      .record({ round: rounds, blockId: blockIds })
      .map(({ round, blockId }): Input => ({ kind: 'value', height, round, blockId })),
    fc
      .record({ blockId: blockIds, isValid: fc.boolean() })
      .map(({ blockId, isValid }): Input => ({ kind: 'verdict', height, blockId, isValid })),
    fc
      .record({ timeout: fc.constantFrom('propose', 'prevote', 'precommit', 'rebroadcast'), round: rounds })
      .map(({ timeout, round }): Input => ({ kind: 'timeout', timeout, height, round })),
  );
}

/** A height's inputs from its start on. */
export function anyHistory(height: number, maxLength = 20): fc.Arbitrary<readonly Input[]> {
  return fc
    .tuple(anyStart(height), fc.array(anyInput(height), { maxLength }))
    .map(([start, inputs]) => [{ kind: 'start-height', start }, ...inputs]);
}
