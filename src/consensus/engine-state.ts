// What the engine remembers between two inputs.

import type { DriverState } from './driver.ts';
import type {
  BlockId,
  Effect,
  Message,
  Proposal,
  TimeoutParams,
  UnsignedMessage,
  ValidatorIndex,
  Vote,
} from './types.ts';
import type { VoteKeeper } from './vote-keeper.ts';

export interface EngineConfig {
  readonly timeouts: TimeoutParams;
}

export interface EngineState {
  /** The height under way, or the one decided last. */
  readonly driver: DriverState | undefined;
  /** To be signed, in this order: the first is handed out, the next when it is back. */
  readonly pending: readonly UnsignedMessage[];
  /** This validator's own latest messages of the height: what it repeats. */
  readonly own: OwnMessages;
  /** Blocks that the application was asked to judge at this height. */
  readonly asked: readonly BlockId[];
  /** Messages of the next height, in order of arrival. */
  readonly early: readonly Message[];
  /** The votes of the height before: late ones are told apart from repeated ones, which ask for help. */
  readonly previous:
    | {
        readonly height: number;
        readonly self: ValidatorIndex | undefined;
        readonly votes: VoteKeeper;
      }
    | undefined;
}

export interface OwnMessages {
  readonly proposal: Proposal | undefined;
  readonly prevote: Vote | undefined;
  readonly precommit: Vote | undefined;
}

export interface Transition {
  readonly state: EngineState;
  readonly effects: readonly Effect[];
}

const NOTHING_SAID: OwnMessages = { proposal: undefined, prevote: undefined, precommit: undefined };

export const INITIAL: EngineState = {
  driver: undefined,
  pending: [],
  own: NOTHING_SAID,
  asked: [],
  early: [],
  previous: undefined,
};

const NO_EFFECTS: readonly Effect[] = [];

export function unchanged(state: EngineState): Transition {
  return { state, effects: NO_EFFECTS };
}
