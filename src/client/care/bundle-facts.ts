// What a bundle tells, read from a state: the object with all its segments, how its holders stand, and the newest results of audits on the chain that cover
// them. Pure, and the only place that says which records a bundle has: whoever makes one brings what this asks for, whoever verifies one asks for it again.

import { toHex } from '../../base/bytes.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId, ObjectId } from '../../base/ids.ts';
import { type Anchor, anchorKey, anchorOf } from '../../shards/anchors.ts';
import { type AuditGroup, auditGroup, type AuditRound, auditRoundsOf } from '../../shards/audit-rounds.ts';
import type { ObjectRecord } from '../../shards/object-record.ts';
import { readAll } from '../../shards/read-all.ts';
import type { Overlay } from '../../shards/view.ts';
import {
  type Holders,
  holdersOf,
  type NetworkFacts,
  networkFacts,
  objectRecordOf,
  partCount,
  type PartFacts,
  partFacts,
} from './object-facts.ts';

/** The result of the last round in which a holder was judged, as far as the chain still has it. */
export interface HolderAnchor {
  readonly round: number;
  readonly group: number;
  readonly anchor: Anchor;
}

export interface BundleFacts {
  readonly record: ObjectRecord;
  readonly network: NetworkFacts;
  readonly part: PartFacts;
  readonly holders: Holders;
  /** By node in hex. */
  readonly anchors: ReadonlyMap<string, HolderAnchor>;
}

/** Throws MissingRecords, NOT_FOUND. */
export function bundleFacts(
  state: Overlay,
  networkId: NetworkId,
  object: ObjectId,
  sha256: Sha256,
): BundleFacts {
  const record = objectRecordOf(state, object);
  const network = networkFacts(state, networkId);
  const part = partFacts(state, object, record, 0, partCount(record));
  const holders = holdersOf(state, network, record, part.segments);
  return { record, network, part, holders, anchors: anchorsOf(state, network, holders, sha256) };
}

function anchorsOf(
  state: Overlay,
  { epoch }: NetworkFacts,
  holders: Holders,
  sha256: Sha256,
): ReadonlyMap<string, HolderAnchor> {
  const judged = new Set([...holders.values()].map(({ audits }) => audits?.round ?? 0));
  const groups = auditRoundsOf(state)
    .filter(({ round }) => judged.has(round))
    .flatMap((round) => groupsOf(state, epoch, round, sha256));
  const found = new Map<string, AuditGroup>();
  for (const group of groups) {
    for (const node of group.nodes) {
      if (holders.get(toHex(node))?.audits?.round === group.round.round) found.set(toHex(node), group);
    }
  }
  readAll(
    state,
    [...found.values()].map(({ round, group }) => anchorKey(round.round, group)),
  );
  const anchors = new Map<string, HolderAnchor>();
  for (const [node, { round, group }] of found) {
    const anchor = anchorOf(state, round.round, group);
    if (anchor !== undefined) anchors.set(node, { round: round.round, group, anchor });
  }
  return anchors;
}

/** None of a round of an epoch that is over: its members are known no more. */
function groupsOf(
  state: Overlay,
  { epoch }: NetworkFacts['epoch'],
  round: AuditRound,
  sha256: Sha256,
): readonly AuditGroup[] {
  return Array.from({ length: round.groups }, (_, group) =>
    auditGroup(state, { epoch, sha256 }, round, group),
  ).filter((group) => group !== undefined);
}
