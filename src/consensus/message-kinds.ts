// Telling messages apart.

import type { Message, Proposal, UnsignedMessage, Vote } from './types.ts';

export function isVote(message: Message): message is Vote {
  return message.kind === 'prevote' || message.kind === 'precommit';
}

/** Signed by one validator, which it names: no certificate. */
export function isSingle(message: Message): message is Proposal | Vote {
  return message.kind === 'proposal' || isVote(message);
}

/** Alike in all that is signed, and by the same validator. */
export function isSameMessage(a: UnsignedMessage, b: UnsignedMessage): boolean {
  return (
    a.kind === b.kind &&
    a.validator === b.validator &&
    a.height === b.height &&
    a.round === b.round &&
    a.blockId === b.blockId &&
    a.validRound === b.validRound
  );
}
