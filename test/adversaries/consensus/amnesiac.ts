// Amnesiac: precommits whatever it prevoted, polka or not, and has forgotten it by the next round, where it prevotes whatever is proposed.
// It hopes that a decision of the round before is undone by a later one. The precommit and the later prevote are proof of it.

import { isVote } from '../../../src/consensus/message-kinds.ts';
import type { EngineState } from '../../../src/consensus/engine-state.ts';
import { type BlockId, NO_ROUND } from '../../../src/consensus/types.ts';
import { signAt } from '../../sim/wrapped.ts';
import { betrays, type Liar, puppet } from './liar.ts';

export const amnesiac: Liar = (options) =>
  puppet(
    {
      ...options,
      engine: (real) => ({
        ...real,
        step: (state, input) => {
          const { state: next, effects } = real.step(state, input);
          return { state: forgetful(next), effects };
        },
      }),
    },
    (place) => {
      let prevoted: { readonly place: string; readonly blockId: BlockId } | undefined;
      return (frame) => {
        const { message } = frame;
        if (betrays(message, place.validator!)) return [];
        if (!isVote(message)) return [frame];
        const here = `${message.height}/${message.round}`;
        if (message.kind === 'prevote') {
          if (message.blockId !== null) prevoted = { place: here, blockId: message.blockId };
          return [frame];
        }
        if (message.blockId !== null || prevoted?.place !== here) return [frame];
        return [{ ...frame, message: signAt(place, { ...message, blockId: prevoted.blockId }) }];
      };
    },
  );

function forgetful(state: EngineState): EngineState {
  const { driver } = state;
  if (driver === undefined || driver.round.lockedRound === NO_ROUND) return state;
  const round = { ...driver.round, lockedRound: NO_ROUND, lockedBlock: null };
  return { ...state, driver: { ...driver, round } };
}
