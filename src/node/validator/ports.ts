// What the host of a validator asks of its disk and its key. Both are in callback style, because the host has no promise in
// its path: the simulator's twins answer within the call, the real ones later, and the host must be ready for either.
//
// Persist before you speak, twice: `sync` ends before a vote is given to `sign`, and `sign` ends after the guard's own
// record is durable. A failure of either is final: the validator speaks no more until it was started again.

import type { StoreError } from '../../base/errors.ts';
import type { HeightStart, Input, Proposal, UnsignedMessage, Vote } from '../../consensus/types.ts';

/** The write-ahead log of the current height. Opening one (`wal-file.ts`) gives what to replay. */
export interface WalPort {
  /** Adds to the log; durable not before a later `sync` is done. A failure is told by that `sync`. */
  append(input: Input): void;
  /**
   * `done` is called once: without an error when everything appended so far is durable. DISK when a write or sync failed, now or
   * ever before; FULL when the log has reached its bound; CLOSED after `close`.
   */
  sync(done: (error?: StoreError) => void): void;
  /**
   * Begins the log of the next height, which holds `start-height` and nothing else, durably; the log of the height before is gone
   * when it is done. Nothing else is called in between. Errors as `sync`.
   */
  startHeight(start: HeightStart, done: (error?: StoreError) => void): void;
  /** Waits for what is under way. Whatever was appended and not synced may be lost. Never rejects. */
  close(): Promise<void>;
}

/** The validator's key behind its guard: of any two messages for one place it signs at most one. */
export interface SignerPort {
  /**
   * `done` is called once, with the signed message after the guard's record of it is durable. Messages come in the order of
   * (height, round, proposal < prevote < precommit); the same one again gets the same signature. Errors: ALREADY_EXISTS (this
   * or a later place was signed otherwise), LOCKED (a second copy of the key is at work), BUSY (too many wait), DISK, CLOSED. Waits while the signer
   * still listens.
   */
  sign(message: UnsignedMessage, done: (result: Proposal | Vote | StoreError) => void): void;
  /** A verified message under this validator's own key came from the network. One that this signer did not make ends its signing. */
  observe(message: Proposal | Vote): void;
  /** Waits for what is under way; further calls get CLOSED. Never rejects. */
  close(): Promise<void>;
}
