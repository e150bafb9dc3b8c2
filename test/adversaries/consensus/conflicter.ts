// Conflicter: says two things at every place, and both to everybody, in either order. It hopes to be counted twice, or that its first vote
// hides the quorum that its second completes, so that a polka or a decision that one validator sees is never seen by another. Two votes
// at one place are proof, and everybody holds them.

import { isSingle } from '../../../src/consensus/message-kinds.ts';
import type { BlockId, Proposal, Vote } from '../../../src/consensus/types.ts';
import { NO_ROUND } from '../../../src/consensus/types.ts';
import { type Outgoing, signAt } from '../../sim/wrapped.ts';
import { type Liar, puppet } from './liar.ts';

export const conflicter: Liar = (options) =>
  puppet(options, (place, shelf) => {
    /** The last block that it heard or spoke of: what it votes for when the honest vote is nil. */
    let lastBlock: BlockId | undefined;
    const conflicting = (frame: Outgoing, said: Proposal | Vote): Outgoing | undefined => {
      if (said.kind === 'proposal') {
        if (frame.block === undefined) return undefined;
        const { blockId, block } = shelf.rivalOf(frame.block);
        return { ...frame, message: signAt(place, { ...said, blockId, validRound: NO_ROUND }), block };
      }
      const blockId = said.blockId === null ? lastBlock : null;
      if (blockId === undefined) return undefined;
      return { ...frame, message: signAt(place, { ...said, blockId, validRound: NO_ROUND }) };
    };
    return (frame) => {
      const { message } = frame;
      if (message.kind !== 'round-certificate' && message.blockId !== null) lastBlock = message.blockId;
      if (!isSingle(message)) return [frame];
      const second = conflicting(frame, message);
      if (second === undefined) return [frame];
      return place.random.chance(0.5) ? [frame, second] : [second, frame];
    };
  });
