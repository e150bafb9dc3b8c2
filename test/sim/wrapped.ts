// Participants made of honest ones: what goes out, or comes in, passes somebody else's hands first. Most adversaries are an honest
// validator and a lie.

import type { Message, UnsignedMessage, Proposal, ValidatorIndex, Vote } from '../../src/consensus/types.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { signedBy } from './signer.ts';
import type { Participant, ParticipantFactory, Place } from './world.ts';

export interface Outgoing {
  readonly message: Message;
  readonly block: Uint8Array | undefined;
  /** The validator it goes to; undefined: all. */
  readonly to: ValidatorIndex | undefined;
}

export interface Incoming {
  readonly from: number;
  readonly message: Message;
  readonly block: Uint8Array | undefined;
}

/** What goes out in the place of what an honest validator would send. Made anew for every life. */
export type OutgoingFilter = (frame: Outgoing) => readonly Outgoing[];
export type IncomingFilter = (frame: Incoming) => readonly Incoming[];

/** `inner` with other words in its mouth. */
export function withOutgoing(
  inner: ParticipantFactory,
  filterFor: (place: Place) => OutgoingFilter,
): ParticipantFactory {
  return (place) => {
    const filter = filterFor(place);
    const pass = (frame: Outgoing): void => {
      for (const { message, block, to } of filter(frame)) {
        if (to === undefined) place.broadcast(message, block);
        else place.send(to, message, block);
      }
    };
    return inner({
      ...place,
      broadcast: (message, block) => pass({ message, block, to: undefined }),
      send: (to, message, block) => pass({ message, block, to }),
    });
  };
}

/** `inner` with other words in its ears. */
export function withIncoming(
  inner: ParticipantFactory,
  filterFor: (place: Place) => IncomingFilter,
): ParticipantFactory {
  return (place) => {
    const filter = filterFor(place);
    const participant: Participant = inner(place);
    return {
      ...participant,
      receive: (from, message, block) => {
        for (const frame of filter({ from, message, block })) {
          participant.receive(frame.from, frame.message, frame.block);
        }
      },
    };
  };
}

/** Says nothing, holds nothing. */
export const silent: ParticipantFactory = () => ({
  receive: () => undefined,
  held: () => undefined,
  stop: () => undefined,
});

/** A message under the place's key, whatever its guard would say. */
export function signAt(place: Place, message: UnsignedMessage): Proposal | Vote {
  return signedBy(place.signer, signBytes(place.chain.network, message), message);
}
