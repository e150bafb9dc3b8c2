// What the chain says of those who hold something: whether they are members, how they stand by their audits, and what repair makes of that.

import { toHex } from '../base/bytes.ts';
import type { Member } from '../base/epoch.ts';
import type { NodeId } from '../base/ids.ts';
import type { Standing as HolderStanding } from '../replication/repair.ts';
import type { AuditRules } from './audit-rules.ts';
import { type NodeRecord, nodeWithKey } from './node.ts';
import { type Standing, standingOf, stateOf } from './standing.ts';
import type { StateKey } from './state-key.ts';
import { type StorageMembers } from './storage-members.ts';
import { MissingRecords, type Overlay } from './view.ts';

export interface HolderFacts {
  readonly node: NodeId;
  /** Undefined when it is no member of the epoch that runs. */
  readonly member: Member | undefined;
  /** Undefined for a key that no node has. */
  readonly record: NodeRecord | undefined;
  /** By its audits; undefined where there is no record. */
  readonly audits: Standing | undefined;
  /** As repair takes it. */
  readonly standing: HolderStanding;
}

/** By node in hex. Throws MissingRecords with what is missing of all. */
export function holdersFacts(
  state: Overlay,
  members: StorageMembers,
  rules: AuditRules,
  nodes: Iterable<NodeId>,
): ReadonlyMap<string, HolderFacts> {
  const facts = new Map<string, HolderFacts>();
  const missing: StateKey[] = [];
  for (const node of nodes) {
    if (facts.has(toHex(node))) continue;
    try {
      facts.set(toHex(node), holderFacts(state, members, rules, node));
    } catch (error) {
      if (!(error instanceof MissingRecords)) throw error;
      missing.push(...error.keys);
    }
  }
  if (missing.length > 0) throw new MissingRecords(missing);
  return facts;
}

/** Throws MissingRecords. */
export function holderFacts(
  state: Overlay,
  members: StorageMembers,
  rules: AuditRules,
  node: NodeId,
): HolderFacts {
  const member = members.get(node);
  const record = nodeWithKey(state, node);
  const audits = record === undefined ? undefined : standingOf(state, record.registration);
  return { node, member, record, audits, standing: standingIn(member, record, audits, rules) };
}

function standingIn(
  member: Member | undefined,
  record: NodeRecord | undefined,
  audits: Standing | undefined,
  rules: AuditRules,
): HolderStanding {
  if (member === undefined || record === undefined || audits === undefined) return 'gone';
  switch (stateOf(audits, rules)) {
    case 'lost':
    case 'expelled':
      return 'lost';
    case 'suspended':
      return 'suspended';
    case 'good':
      return record.isRetired ? 'leaving' : 'healthy';
  }
}
