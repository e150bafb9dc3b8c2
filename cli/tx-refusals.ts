// What the chain's refusals mean to a person: total over their closed list, so that a new one cannot be forgotten.

import { type ErrorCode, StoreError } from '../src/base/errors.ts';
import type { RefusalCode } from '../src/shards/operation.ts';

interface Explained {
  readonly code: ErrorCode;
  readonly text: string;
  readonly next: string;
}

/** Words of one action, in place of the general ones. */
export type OwnWords = Readonly<Partial<Record<RefusalCode, Partial<Explained>>>>;

const EXPLAINED: Readonly<Record<RefusalCode, Explained>> = {
  'insufficient-balance': {
    code: 'REFUSED',
    text: 'there is less than that',
    next: '"store stake show" tells what the account has, what it has bonded, and what is free.',
  },
  'no-such-account': {
    code: 'NOT_FOUND',
    text: 'there is no such account',
    next: 'Check its 64 hex digits; an account comes into being with the first token it gets.',
  },
  'no-such-node': {
    code: 'NOT_FOUND',
    text: 'no node is registered under that key, or it has retired',
    next: '"store validators" and "store network" list nodes.',
  },
  'no-such-bucket': {
    code: 'NOT_FOUND',
    text: 'there is no such bucket',
    next: 'Check its name and its owner.',
  },
  'no-such-object': {
    code: 'NOT_FOUND',
    text: 'there is no such object',
    next: 'Check its id; it may have expired.',
  },
  'no-such-name': { code: 'NOT_FOUND', text: 'there is no such name', next: 'Check bucket and name.' },
  'already-exists': {
    code: 'ALREADY_EXISTS',
    text: 'it exists already',
    next: 'Use what is there, or choose another name.',
  },
  'not-the-owner': {
    code: 'UNAUTHORIZED',
    text: 'the account does not own it',
    next: 'Sign with the key of the owner: --key NAME.',
  },
  'not-the-operator': {
    code: 'UNAUTHORIZED',
    text: 'the account is not the operator of the node, and the node takes nothing of others',
    next: 'Sign with the key of its operator: --dir with the folder of the node, or --key.',
  },
  'condition-failed': {
    code: 'CONDITION_FAILED',
    text: 'it is not as the request presumes',
    next: 'Look at what is there now, and decide again.',
  },
  'limit-exceeded': {
    code: 'FULL',
    text: 'a limit of the network is reached',
    next: 'Finish what is under way first (withdraw what is free), or choose another node.',
  },
  'invalid-argument': {
    code: 'INVALID_ARGUMENT',
    text: 'the amount or asset is not possible',
    next: 'Give a whole number above the least bond, and leave either nothing or that much.',
  },
  'invalid-certificate': {
    code: 'INVALID_SIGNATURE',
    text: 'the certificate that came along does not hold',
    next: 'Make it again: the holders must have confirmed this very object.',
  },
  'invalid-evidence': {
    code: 'INVALID_SIGNATURE',
    text: 'the evidence proves nothing, or is known already',
    next: 'Nothing needs to be done.',
  },
  jailed: {
    code: 'REFUSED',
    text: 'the node is in jail',
    next: 'Wait until its time is over, then run "store stake unjail NODE".',
  },
  tombstoned: {
    code: 'REFUSED',
    text: 'the operator was slashed for good and cannot come back',
    next: 'Unbond what is left; another operator may register nodes with other keys.',
  },
  'too-early': {
    code: 'REFUSED',
    text: 'its time has not come',
    next: '"store stake show" tells from which epoch on; "store epoch" tells which one runs.',
  },
  'too-late': { code: 'EXPIRED', text: 'its time is over', next: 'Begin again.' },
  'not-empty': {
    code: 'CONDITION_FAILED',
    text: 'it is not empty',
    next: 'Remove what is in it first.',
  },
  expired: {
    code: 'EXPIRED',
    text: 'it was not executed in time, and its value has gone back',
    next: 'Run the command again.',
  },
  'destination-full': {
    code: 'BUSY',
    text: 'too much is on its way to that shard already',
    next: 'Try again in a moment.',
  },
};

/** What the refusal means, without its code. */
export function refusalText(refusal: RefusalCode): string {
  return EXPLAINED[refusal].text;
}

/** The refusal as the failure of `what`; where the general words do not fit `what` there are its `own`. */
export function refusalError(what: string, refusal: RefusalCode, own: OwnWords = {}): StoreError {
  const { code, text, next } = { ...EXPLAINED[refusal], ...own[refusal] };
  return new StoreError(code, `${what}: ${text} (${refusal})`, { next });
}
