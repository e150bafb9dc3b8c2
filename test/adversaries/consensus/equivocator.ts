// Equivocator: two faces. Half of the others hear one proposal and votes for it, the other half hear another and votes for that. It hopes
// that each half, with its vote, decides something else, or at least never agrees. Whoever hears both faces can prove it.

import { isSingle } from '../../../src/consensus/message-kinds.ts';
import type { BlockId, UnsignedMessage, ValidatorIndex } from '../../../src/consensus/types.ts';
import { NO_ROUND } from '../../../src/consensus/types.ts';
import type { Place } from '../../sim/world.ts';
import { type Outgoing, signAt } from '../../sim/wrapped.ts';
import { type Liar, othersIn, puppet, type Shelf } from './liar.ts';

export const equivocator: Liar = (options) =>
  puppet(options, (place, shelf) => {
    /** What the other face proposed in a round, which the other face votes for. */
    const rivals = new Map<string, BlockId>();
    return (frame) => {
      const { message, to } = frame;
      if (!isSingle(message) || to !== undefined) return [frame];
      const other = otherFace(place, shelf, rivals, frame);
      const isFirstHalf = firstHalf(place, message.height);
      return othersIn(place.chain.start(message.height).validators, place.validator!).map((each) =>
        isFirstHalf(each) ? { ...frame, to: each } : { ...other, to: each },
      );
    };
  });

function otherFace(place: Place, shelf: Shelf, rivals: Map<string, BlockId>, frame: Outgoing): Outgoing {
  const said = frame.message as UnsignedMessage;
  const key = `${said.height}/${said.round}`;
  if (said.kind === 'proposal') {
    const rival = frame.block === undefined ? undefined : shelf.rivalOf(frame.block);
    if (rival === undefined) return frame;
    rivals.set(key, rival.blockId);
    const message = signAt(place, { ...said, blockId: rival.blockId, validRound: NO_ROUND });
    return { ...frame, message, block: rival.block };
  }
  const blockId = rivals.get(key) ?? null;
  return { ...frame, message: signAt(place, { ...said, blockId, validRound: NO_ROUND }) };
}

/** Drawn anew at every height, and the same for all that is said at it. */
function firstHalf(place: Place, height: number): (validator: ValidatorIndex) => boolean {
  const others = othersIn(place.chain.start(height).validators, place.validator!);
  const chosen = place.random.fork(`halves ${height}`).sample(others, Math.ceil(others.length / 2));
  return (validator) => chosen.includes(validator);
}
