// What a member says of itself before it is one, and the rules for names in records.

import { compare, toUtf8 } from '../base/bytes.ts';
import { label } from '../base/codec.ts';
import type { Member } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, OperatorId } from '../base/ids.ts';
import { DOMAIN_LABELS_MAX, LABEL_LENGTH_MAX } from '../base/limits.ts';
import type { Random } from '../base/ports.ts';

/** What a member says of itself; the founder draws the rest. */
export type Candidate = Omit<Member, 'admissionSeed'>;

/**
 * A member whose admission seed is drawn now, after it showed its key, so that nobody chooses a position. Throws
 * INVALID_ARGUMENT for a bad operator or failure domain.
 */
export function admit(candidate: Candidate, random: Random): Member {
  return {
    ...candidate,
    operator: checkLabel('operator', candidate.operator) as OperatorId,
    domains: sortDomains(candidate.domains),
    admissionSeed: random.bytes(32) as Digest,
  };
}

/** Failure domains in the order of a record. Throws INVALID_ARGUMENT for a bad name, one that stands twice, or too many. */
export function sortDomains(domains: Candidate['domains']): Candidate['domains'] {
  const sorted = domains.toSorted(([a], [b]) => compare(toUtf8(a), toUtf8(b)));
  for (const [index, [name, value]] of sorted.entries()) {
    checkLabel('failure domain', name);
    checkLabel(`value of failure domain ${name}:`, value);
    if (sorted[index - 1]?.[0] === name) {
      throw new StoreError('INVALID_ARGUMENT', `failure domain ${name} is given twice`);
    }
  }
  if (sorted.length > DOMAIN_LABELS_MAX) {
    throw new StoreError('INVALID_ARGUMENT', `more than ${DOMAIN_LABELS_MAX} failure domains`);
  }
  return sorted;
}

/** `value` when it is a name that may stand in a record. Throws INVALID_ARGUMENT. */
export function checkLabel(what: string, value: string): string {
  if (label.safeParse(value).success) return value;
  throw new StoreError('INVALID_ARGUMENT', `${what} ${JSON.stringify(value.slice(0, 80))} is not a name`, {
    next: `Use 1 to ${LABEL_LENGTH_MAX} of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit.`,
  });
}
