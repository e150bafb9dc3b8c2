// Conditions on names, as people give them, and the failure of one, which says what is there instead.

import { fromHex, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { type Condition, ETAG_LENGTH, isMet, type NameEntry } from '../../shards/name-entry.ts';

export const ANY: Condition = { kind: 'any' };
export const ABSENT: Condition = { kind: 'absent' };

/** 32 hex digits, as S3 shows them. */
export function formatEtag(etag: Uint8Array): string {
  return toHex(etag);
}

/** With or without the quotation marks of HTTP. Throws INVALID_ARGUMENT. */
export function parseEtag(text: string): Uint8Array {
  const digits = text.replace(/^"(.*)"$/, '$1');
  if (new RegExp(`^[0-9a-f]{${2 * ETAG_LENGTH}}$`).test(digits)) return fromHex(digits);
  throw new StoreError('INVALID_ARGUMENT', 'an etag has 32 hex digits', {
    next: 'Copy it from "store stat".',
  });
}

/** CONDITION_FAILED: a name is not what it had to be, and so it was not changed. */
export class NameConflict extends StoreError {
  /** Of what stands under the name; undefined: nothing does. */
  readonly etag: Uint8Array | undefined;
  /** Somebody wrote the name at the same time, so it cannot be told whether this write came first and was replaced. */
  readonly mayHaveHappened: boolean;

  constructor(message: string, etag: Uint8Array | undefined, mayHaveHappened = false) {
    super('CONDITION_FAILED', message, { next: 'Look at what is there now, and decide again.' });
    this.etag = etag;
    this.mayHaveHappened = mayHaveHappened;
  }
}

/** Throws NameConflict unless `entry` is as `condition` says, BUSY while it is on its way to another bucket. */
export function checkCondition(name: string, condition: Condition, entry: NameEntry | undefined): void {
  if (!isMet(condition, entry)) throw new NameConflict(unmet(name, condition, entry), entry?.etag);
  if (entry !== undefined && entry.movingAs !== null) throw moving(name);
}

function unmet(name: string, condition: Condition, entry: NameEntry | undefined): string {
  if (entry === undefined) return `${name} is not there`;
  return condition.kind === 'absent'
    ? `${name} is there already, with etag ${formatEtag(entry.etag)}`
    : `${name} has etag ${formatEtag(entry.etag)}, not the one that was asked for`;
}

export function overtaken(name: string, entry: NameEntry | undefined): NameConflict {
  const message = `${name} was changed at the same time by another program, before this or right after it`;
  return new NameConflict(message, entry?.etag, true);
}

function moving(name: string): StoreError {
  return new StoreError('BUSY', `${name} is on its way to another bucket`, {
    next: 'Try again in a moment.',
  });
}
