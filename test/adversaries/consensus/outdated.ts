// Outdated: lives in the past. What it has to say comes seconds late, and in between it says again what anybody said long ago: votes,
// proposals with their blocks, certificates. It hopes that something that is over counts once more, that a validator takes its own old
// words for a second copy of its key, or that all the asking for old decisions wears the others out.

import type { Message } from '../../../src/consensus/types.ts';
import type { ParticipantFactory } from '../../sim/world.ts';
import { type Outgoing, withIncoming } from '../../sim/wrapped.ts';
import { type Liar, othersIn, puppet } from './liar.ts';

const LATE_MAX_MS = 4000;
/** Old frames that it has in store, drawn from all that it heard. */
const STORE_MAX = 200;
/** Old frames for every word of its own. */
const REPEATED = 3;

interface Old {
  readonly message: Message;
  readonly block: Uint8Array | undefined;
}

export const outdated: Liar = (options) => (place) => {
  const store: Old[] = [];
  const keep = (old: Old): void => {
    if (store.length < STORE_MAX) store.push(old);
    else store[place.random.below(STORE_MAX)] = old;
  };
  const speaking = puppet(options, () => (frame) => {
    place.timer(place.random.below(LATE_MAX_MS), () => {
      if (frame.to === undefined) place.broadcast(frame.message, frame.block);
      else place.send(frame.to, frame.message, frame.block);
    });
    if (store.length === 0) return [];
    const others = othersIn(place.chain.start(frame.message.height).validators, place.validator!);
    if (others.length === 0) return [];
    return Array.from({ length: REPEATED }, (): Outgoing => {
      const { message, block } = place.random.pick(store);
      return { message, block, to: place.random.pick(others) };
    });
  });
  const listening: ParticipantFactory = withIncoming(speaking, () => (frame) => {
    keep({ message: frame.message, block: frame.block });
    return [frame];
  });
  return listening(place);
};
