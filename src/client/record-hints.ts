// Where else a manifest may be: when the members that should have it say they do not, some of them are asked who announced it,
// and those are asked next. Only the order of a search changes, never whom it asks or how it ends, and it waits for no hint.

import { equal } from '../base/bytes.ts';
import type { EpochRecord, Member } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, NodeId } from '../base/ids.ts';
import { checkRecord, objectKey } from '../dht/record.ts';
import { locateRecord } from './calls.ts';
import type { Context } from './context.ts';
import type { Health } from './health.ts';

export interface RecordHints {
  /** This member answered that it does not have the record. Returns at once; what comes of it ends with `signal`. */
  absent(node: NodeId, signal: AbortSignal): void;
}

/** So many members do not have a record before anyone is asked who does, and so few to come are asked as they stand. */
const ABSENT_MIN = 4;
/** Members that are asked, one after the other: one may know nothing, or lie. */
const SOURCES_MAX = 3;

/** Hints for a search that takes members from the front of `queue`. */
export function recordHints(
  context: Context,
  epoch: EpochRecord,
  digest: Digest,
  health: Health,
  queue: Member[],
): RecordHints {
  let absentCount = 0;
  let sourceCount = 0;
  let isAsking = false;
  const ask = async (node: NodeId, signal: AbortSignal): Promise<void> => {
    isAsking = true;
    sourceCount += 1;
    try {
      const records = await locateRecord(context, node, digest, signal);
      moveToFront(queue, (member) => health.standing(member.node) === 'good', signers(records));
    } catch {
      // No hint; the search goes on as it would have.
    }
    isAsking = false;
  };
  /** Who signed the records that hold: of this network, of members, in force, for this digest. */
  const signers = (records: readonly Uint8Array[]): readonly NodeId[] => {
    const isMember = (node: NodeId): boolean => epoch.members.some((member) => equal(member.node, node));
    const rules = { network: context.networkId, verify: context.verify, isMember };
    return records.flatMap((bytes) => {
      try {
        return checkRecord(objectKey(digest), bytes, rules, context.clock.now()).node;
      } catch (error) {
        if (error instanceof StoreError) return [];
        throw error;
      }
    });
  };
  return {
    absent(node, signal) {
      absentCount += 1;
      const isWorthIt = absentCount >= ABSENT_MIN && queue.length > ABSENT_MIN;
      if (isWorthIt && !isAsking && sourceCount < SOURCES_MAX) void ask(node, signal);
    },
  };
}

/** Moves the members among `nodes` that are `fit` to the front; whoever was taken already stays away. */
function moveToFront(queue: Member[], fit: (member: Member) => boolean, nodes: readonly NodeId[]): void {
  const isNamed = (member: Member): boolean => nodes.some((node) => equal(node, member.node));
  const named = queue.filter((member) => isNamed(member) && fit(member));
  const rest = queue.filter((member) => !named.includes(member));
  queue.splice(0, queue.length, ...named, ...rest);
}
