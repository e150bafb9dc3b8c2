// Nil voter: votes nil, whatever it hears. It hopes that nil votes release locks, hide quorums or hurry rounds past the others. It breaks
// no promise, so nothing can be proven against it, and nothing may be.

import { isVote } from '../../../src/consensus/message-kinds.ts';
import { NO_ROUND } from '../../../src/consensus/types.ts';
import { signAt } from '../../sim/wrapped.ts';
import { betrays, type Liar, puppet } from './liar.ts';

export const nilVoter: Liar = (options) =>
  puppet(options, (place) => (frame) => {
    const { message } = frame;
    // It must not show in a certificate what it tells nobody.
    if (betrays(message, place.validator!)) return [];
    if (!isVote(message)) return [frame];
    return [{ ...frame, message: signAt(place, { ...message, blockId: null, validRound: NO_ROUND }) }];
  });
