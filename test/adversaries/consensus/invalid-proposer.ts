// Invalid proposer: proposes what cannot be decided. Blocks that break the rules of the chain, blocks that are no blocks, ids without a block
// behind them, ids with another block beside them, and blocks that it says had a polka in a round that had none. It hopes that somebody
// votes before having looked, or waits for ever for what never comes.

import { blockIdOf } from '../../sim/application.ts';
import { type Outgoing, signAt } from '../../sim/wrapped.ts';
import type { Proposal } from '../../../src/consensus/types.ts';
import type { Place } from '../../sim/world.ts';
import { type Liar, puppet, type Shelf } from './liar.ts';

export const invalidProposer: Liar = (options) =>
  puppet(options, (place, shelf) => {
    // Said once a place: it may be found out, but not for saying two things.
    const said = new Map<string, Outgoing>();
    return (frame) => {
      const { message } = frame;
      if (message.kind !== 'proposal') return [frame];
      const key = `${message.height}/${message.round}`;
      const lie = said.get(key) ?? lieFor(place, shelf, frame, message);
      said.set(key, lie);
      return [lie];
    };
  });

function lieFor(place: Place, shelf: Shelf, frame: Outgoing, proposal: Proposal): Outgoing {
  const { height, round } = proposal;
  const propose = (block: Uint8Array, beside: Uint8Array | undefined, validRound: number): Outgoing => {
    const message = signAt(place, { ...proposal, blockId: blockIdOf(block), validRound });
    return { ...frame, message, block: beside };
  };
  const invalid = shelf.make(height, false)?.block ?? garbage(place);
  const valid = shelf.make(height, true)?.block ?? garbage(place);
  switch (place.random.below(6)) {
    case 0:
      return propose(invalid, invalid, -1);
    case 1:
      return propose(garbage(place), undefined, -1);
    case 2:
      return propose(valid, invalid, -1);
    case 3:
      return propose(garbage(place), garbage(place), -1);
    case 4:
      return propose(valid, valid, round - 1); // a polka that never was
    default:
      return propose(invalid, invalid, round - 1);
  }
}

/** Bytes that are no block; nobody has them but in this frame. */
const garbage = (place: Place): Uint8Array => place.random.bytes(place.random.between(1, 40));
