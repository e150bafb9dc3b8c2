// What the liars of this folder are made of. A puppet is an honest validator whose words pass a liar's hands before they leave; a
// lurker follows a height without a word of its own, and says what it likes when it likes. Neither has a guard on its key.

import type { DriverState } from '../../../src/consensus/driver.ts';
import { isSingle } from '../../../src/consensus/message-kinds.ts';
import type { BlockId, Message, ValidatorIndex, ValidatorSet } from '../../../src/consensus/types.ts';
import { isQuorum, powerOf } from '../../../src/consensus/validator-set.ts';
import { blockIdOf, decodeBlock, encodeBlock, SimApplication } from '../../sim/application.ts';
import { beginHonest, honest, type HonestOptions } from '../../sim/honest.ts';
import type { Participant, ParticipantFactory, Place } from '../../sim/world.ts';
import { type OutgoingFilter, withIncoming, withOutgoing } from '../../sim/wrapped.ts';

/** What stands at the process of a liar; timing and application are those of an honest one. */
export type Liar = (options: HonestOptions) => ParticipantFactory;

// ---- Puppets ---------------------------------------------------------------------------------------------------

/** `filterFor` says what leaves in the place of what the honest validator inside would send. */
export function puppet(
  options: HonestOptions,
  filterFor: (place: Place, shelf: Shelf) => OutgoingFilter,
): ParticipantFactory {
  return (place) => {
    const shelf = new Shelf(place, options);
    const inner = withOutgoing(withoutEcho(honest(options)), () => filterFor(place, shelf))(place);
    return {
      ...inner,
      held: (height, blockId) => shelf.held(height, blockId) ?? inner.held(height, blockId),
    };
  };
}

/** The one inside must not hear what it never said: it would take it for a second copy of its key. */
function withoutEcho(inner: ParticipantFactory): ParticipantFactory {
  return withIncoming(inner, (place) => (frame) => {
    return isSingle(frame.message) && frame.message.validator === place.validator ? [] : [frame];
  });
}

/** True for a certificate that shows a vote of `self`: one that the liar may have told otherwise. */
export function betrays(message: Message, self: ValidatorIndex): boolean {
  if (isSingle(message)) return false;
  const signers = message.kind === 'round-certificate' ? message.votes : message.signatures;
  return signers.some(({ validator }) => validator === self);
}

// ---- Lurkers ---------------------------------------------------------------------------------------------------

/** Is told whenever the height that it follows has moved; `driver` is what an honest follower would know. */
export type Watch = (driver: DriverState) => void;

export function lurker(
  options: HonestOptions,
  watchFor: (place: Place, shelf: Shelf) => Watch,
): ParticipantFactory {
  return (place): Participant => {
    const shelf = new Shelf(place, options);
    const watch = watchFor(place, shelf);
    const mute: Place = { ...place, validator: undefined, broadcast: () => {}, send: () => {} };
    const inner = beginHonest(mute, {
      ...options,
      engine: (real) => ({
        ...real,
        step: (state, input) => {
          const transition = real.step(state, input);
          const { driver } = transition.state;
          if (driver !== undefined && driver !== state.driver) watch(driver);
          return transition;
        },
      }),
    });
    return {
      ...inner,
      held: (height, blockId) => shelf.held(height, blockId) ?? inner.held(height, blockId),
    };
  };
}

// ---- Blocks ----------------------------------------------------------------------------------------------------

export interface Made {
  readonly blockId: BlockId;
  readonly block: Uint8Array;
}

/** Blocks that a liar made up, and gives to whoever asks. */
export class Shelf {
  readonly #place: Place;
  readonly #application: SimApplication;
  readonly #blocks = new Map<string, Uint8Array>();

  constructor(place: Place, { habits }: HonestOptions) {
    this.#place = place;
    const { process, disk, random, timer, ask, exit } = place;
    const heightStart = (height: number): never => {
      throw new Error(`nobody asks for height ${height} here`);
    };
    this.#application = new SimApplication(
      { process, disk, random: random.fork('shelf'), timer, ask, heightStart, fail: exit },
      habits,
    );
  }

  /** A new block for `height`; undefined while the decision before it is not on this disk. */
  make(height: number, isValid: boolean): Made | undefined {
    const parent = this.#application.parentOf(height);
    if (parent === undefined) return undefined;
    const { process, random } = this.#place;
    const block = encodeBlock({ height, parent, maker: process, serial: random.word(), isValid }, 0);
    return this.#put(height, block);
  }

  /** Another block than `block`, as valid as that. */
  rivalOf(block: Uint8Array): Made {
    const decoded = decodeBlock(block)!;
    const rival = encodeBlock({ ...decoded, serial: (decoded.serial + 1) >>> 0 }, 0);
    return this.#put(decoded.height, rival);
  }

  held(height: number, blockId: BlockId): Uint8Array | undefined {
    return this.#blocks.get(`${height}/${blockId}`);
  }

  #put(height: number, block: Uint8Array): Made {
    const blockId = blockIdOf(block);
    this.#blocks.set(`${height}/${blockId}`, block);
    return { blockId, block };
  }
}

// ---- Others ----------------------------------------------------------------------------------------------------

export function othersIn(set: ValidatorSet, self: ValidatorIndex): readonly ValidatorIndex[] {
  return [...set.validators.keys()].filter((index) => index !== self);
}

/** The first of `candidates` that are a quorum together with `self` and none without it; undefined when there are none such. */
export function campOf(
  set: ValidatorSet,
  self: ValidatorIndex,
  candidates: readonly ValidatorIndex[],
): readonly ValidatorIndex[] | undefined {
  const camp: ValidatorIndex[] = [];
  let power = 0n;
  for (const candidate of candidates) {
    camp.push(candidate);
    power += powerOf(set, candidate);
    if (isQuorum(set, power)) return undefined;
    if (isQuorum(set, power + powerOf(set, self))) return camp;
  }
  return undefined;
}
