// What the host of a validator asks of everything around it but its disk and its key (`ports.ts`). All in callback style: a port
// may answer within the call or later, at most once, and not at all after the host was stopped.

import type {
  BlockId,
  CommitCertificate,
  Evidence,
  HeightStart,
  Message,
  Proposal,
  UnsignedMessage,
  ValidatorIndex,
  Vote,
} from '../../consensus/types.ts';
import type { StoreError } from '../../base/errors.ts';

/** Frames to other validators: a message, and beside it the block that it names. May lose, delay, repeat and reorder. */
export interface TransportPort {
  /** To every other validator. */
  broadcast(message: Message, block: Uint8Array | undefined): void;
  send(to: ValidatorIndex, message: Message, block: Uint8Array | undefined): void;
}

export interface TimersPort {
  /** Runs `run` once after `delayMs`, never within the call; the returned function cancels. */
  schedule(delayMs: number, run: () => void): () => void;
}

export interface Decision {
  readonly certificate: CommitCertificate;
  readonly block: Uint8Array;
}

/**
 * What blocks mean. A block that it made, or judged to be valid, it keeps durably until the height is decided: the word of a
 * quorum for a block would be worth nothing if a power cut could take the last copy.
 */
export interface ApplicationPort {
  /** A new block for the round; it is durable when `done` is called. Nothing, if it has none in time. */
  requestValue(height: number, round: number, done: (block: Uint8Array) => void): void;
  /** Whether the block may follow the state of its parent; a valid one is durable when `done` is called. */
  judge(height: number, blockId: BlockId, block: Uint8Array, done: (isValid: boolean) => void): void;
  /** The block, from its own store or else from one of `holders`; undefined when none of them gave it. */
  fetch(
    height: number,
    blockId: BlockId,
    holders: readonly ValidatorIndex[],
    done: (block: Uint8Array | undefined) => void,
  ): void;
  /**
   * The height is over. `done` gives the next, after the decision is durable and as late as blocks shall be apart. May be told
   * again after a restart.
   */
  decided(height: number, decision: Decision, done: (next: HeightStart) => void): void;
  /** A decision of long ago, for a validator that missed it; undefined when it is no longer held. */
  decision(height: number, done: (decision: Decision | undefined) => void): void;
}

/** What happens in a host that somebody else should know of. */
export interface HostEvents {
  /** Two signed messages that cannot both be honest. */
  evidence(evidence: Evidence): void;
  /** A second copy of this validator's key is at work: the host signs no more. */
  foreignSignature(message: Proposal | Vote): void;
  /** The guard would not sign this: the host signs nothing more at this height. */
  refused(message: UnsignedMessage, error: StoreError): void;
  /** A port failed and the host has stopped; it must be started again. */
  failed(error: StoreError): void;
}
