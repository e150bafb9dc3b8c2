// What a failed command tells the shell and the person. The exit codes are documented in docs/cli.md and in
// `store help exit-codes`; EXIT_CODES is total over the closed list of error codes, so a new code cannot be forgotten.

import { type ErrorCode, StoreError, toStoreError } from '../src/base/errors.ts';
import { printable } from './format.ts';

export const EXIT: {
  readonly OK: 0;
  readonly ERROR: 1;
  readonly USAGE: 2;
  readonly NOT_FOUND: 3;
  readonly PARTIAL: 4;
  readonly NETWORK: 5;
  readonly QUOTA: 6;
  readonly INTEGRITY: 7;
  readonly KEY: 8;
  readonly CONFLICT: 9;
  readonly NOT_ENOUGH: 10;
  readonly INTERRUPTED: 130;
  readonly BROKEN_PIPE: 141;
} = {
  OK: 0,
  ERROR: 1,
  USAGE: 2,
  NOT_FOUND: 3,
  PARTIAL: 4,
  NETWORK: 5,
  QUOTA: 6,
  INTEGRITY: 7,
  KEY: 8,
  CONFLICT: 9,
  NOT_ENOUGH: 10,
  INTERRUPTED: 130,
  BROKEN_PIPE: 141,
};

const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: EXIT.USAGE,
  INVALID_URI: EXIT.USAGE,
  INVALID_CONFIG: EXIT.ERROR,
  INVALID_IDENTITY: EXIT.KEY,
  INVALID_ENCODING: EXIT.INTEGRITY,
  INVALID_SIGNATURE: EXIT.INTEGRITY,
  INTEGRITY: EXIT.INTEGRITY,
  WRONG_KEY: EXIT.KEY,
  WRONG_NETWORK: EXIT.ERROR,
  NOT_FOUND: EXIT.NOT_FOUND,
  ALREADY_EXISTS: EXIT.CONFLICT,
  CONDITION_FAILED: EXIT.CONFLICT,
  EXPIRED: EXIT.NETWORK,
  REFUSED: EXIT.ERROR,
  NOT_ENOUGH_OPERATORS: EXIT.NOT_ENOUGH,
  NOT_ENOUGH_PIECES: EXIT.NOT_ENOUGH,
  NOT_ENOUGH_CONFIRMATIONS: EXIT.NOT_ENOUGH,
  UNAUTHORIZED: EXIT.KEY,
  FULL: EXIT.QUOTA,
  DAMAGED: EXIT.INTEGRITY,
  BUSY: EXIT.NETWORK,
  TIMEOUT: EXIT.NETWORK,
  UNREACHABLE: EXIT.NETWORK,
  ABORTED: EXIT.INTERRUPTED,
  PROTOCOL: EXIT.NETWORK,
  DISK: EXIT.ERROR,
  PORT_IN_USE: EXIT.CONFLICT,
  LOCKED: EXIT.CONFLICT,
  UNSUPPORTED: EXIT.ERROR,
  CLOSED: EXIT.NETWORK,
  INTERNAL: EXIT.ERROR,
};

/** The text of `store help exit-codes`. */
export const EXIT_CODES_TOPIC: string = `Exit codes of every command:

  0    done
  1    error: damaged configuration, failed disk, object of another network, refused by the chain, defect of ours
  2    usage: unknown command or flag, value out of range, not a store:// URI
  3    not found
  4    partial: done in part, the message says what is missing
  5    network or temporary: unreachable, timed out, expired, busy; trying again may help
  6    quota or disk reserve reached
  7    integrity: bytes, signature or encoding are wrong and nobody had the right ones
  8    key or authorisation: wrong key, damaged identity, not the owner
  9    conflict: output exists, somebody else changed it first, port in use, folder locked
  10   not enough operators, pieces or confirmations
  130  interrupted
  141  the reader of standard output went away`;

export function exitCodeOf(code: ErrorCode): number {
  return EXIT_CODES[code];
}

/** What a shell would see of any thrown thing. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (syscall !== undefined) {
    return toStoreError(error, 'DISK', path === undefined ? 'the system refused' : `cannot use ${path}`);
  }
  return toStoreError(error, 'INTERNAL', 'unexpected failure');
}

export interface Described {
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
}

/** Message, next step and code; every code has a next step even where the thrower named none. */
export function describe(error: StoreError): Described {
  return {
    code: error.code,
    message: printable(error.message, 1000),
    next: printable(error.next ?? GENERAL_NEXT[error.code], 1000),
  };
}

/** The cause's own words, where they add to the message. */
export function reasonOf(error: StoreError): string | undefined {
  const cause = error.cause;
  if (!(cause instanceof Error) || cause.message === '' || error.message.includes(cause.message))
    return undefined;
  return printable(cause.message);
}

const GENERAL_NEXT: Readonly<Record<ErrorCode, string>> = {
  INVALID_ARGUMENT: 'See "store --help".',
  INVALID_URI: 'Give the whole store://... line that "store put" printed, in quotes.',
  INVALID_CONFIG: 'Correct the file, or move it away and run "store init", "store join" or "store up" again.',
  INVALID_IDENTITY: 'Restore the key file from a backup.',
  INVALID_ENCODING: 'Try again; if it stays, the object was written by something else.',
  INVALID_SIGNATURE: 'Do not trust this source; ask another node.',
  INTEGRITY: 'Try again later: holders with the right bytes may be down now. "store stat URI" shows them.',
  WRONG_KEY: 'Give the whole URI: the key is the part after "#".',
  WRONG_NETWORK: 'Choose the home of the right network with --home.',
  NOT_FOUND: 'Check the name; "store status" shows which network this is.',
  ALREADY_EXISTS: 'Choose another name, or give --force to replace it.',
  CONDITION_FAILED: 'Look at what is there now with "store stat", and decide again.',
  EXPIRED: 'Run the command again.',
  REFUSED: 'Correct what the reason names and run the command again.',
  NOT_ENOUGH_OPERATORS: 'Choose a smaller --code k/n, or let more operators join.',
  NOT_ENOUGH_PIECES: 'Start the nodes that are down and try again; "store status" shows them.',
  NOT_ENOUGH_CONFIRMATIONS: 'Start the nodes that are down and try again; "store status" shows them.',
  UNAUTHORIZED: 'Only the owner can do this: use the home that stored the object.',
  FULL: 'Free space, or give the nodes more capacity.',
  DAMAGED: 'Other holders may have it: try again.',
  BUSY: 'Try again in a moment.',
  TIMEOUT: 'Try again; "store status" shows which nodes answer.',
  UNREACHABLE:
    'Check that the nodes run and that the network lets you through; "store status" shows which answer.',
  ABORTED: 'Run the command again: an interrupted put goes on where it stopped.',
  PROTOCOL: 'The peer may run another version; "store status" shows them.',
  DISK: 'Check free space and permissions.',
  PORT_IN_USE: 'Stop what uses the port, or choose another one.',
  LOCKED: 'Stop the process that uses the folder, or choose another folder.',
  UNSUPPORTED: 'Use a newer version.',
  CLOSED: 'Start it again.',
  INTERNAL: 'This is a defect: run again with HOLDFAST_DEBUG=1 and report what it prints.',
};
