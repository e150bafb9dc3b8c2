// The storage members of an epoch, as the record that placement works on (`base/epoch.ts`). The state keeps them as pages, because a record
// of thousands is larger than one record of the state may be, and the digest of the whole in the epoch's record: whoever has that proven
// may take the members from anybody.
//
// Frozen for the epoch: what a node says or bonds meanwhile shows at the next border. An operator is named by the hex digits of its
// account.

import { z } from 'zod';
import { compare, fromHex, toHex, uint32 } from '../base/bytes.ts';
import { bigUint, digestOf, listOf, uint } from '../base/codec.ts';
import type { EpochRecord, Member } from '../base/epoch.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, OwnerId, Stake } from '../base/ids.ts';
import { MEMBERS_PER_PAGE } from '../base/limits.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import { domainsSchema, type NodeRecord, type Registration } from './node.ts';
import type { Parameters } from './parameters.ts';
import { readAll } from './read-all.ts';
import type { RecordType } from './record.ts';
import { stakeOf } from './stake.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

const memberSchema = z
  .tuple([
    digestOf<NodeId>(),
    digestOf<OwnerId>(),
    bigUint,
    uint(),
    digestOf<Digest>(),
    domainsSchema,
    z.boolean(),
  ])
  .transform(
    ([node, operator, stake, capacityBytes, admissionSeed, domains, isSuspended]): Member => ({
      node,
      operator: operatorIdOf(operator),
      stake: stake as Stake,
      capacityBytes,
      admissionSeed,
      domains,
      ...(isSuspended ? { isSuspended } : {}),
    }),
  );

/** Ascending by node. */
export const memberPageRecord: RecordType<readonly Member[]> = {
  name: 'members page',
  schema: z.tuple([listOf(memberSchema, MEMBERS_PER_PAGE)]).transform(([members]) => members),
  tuple: (members) => [
    members.map((member) => [
      member.node,
      fromHex(member.operator),
      member.stake,
      member.capacityBytes,
      member.admissionSeed,
      member.domains,
      member.isSuspended ?? false,
    ]),
  ],
};

function memberPageKey(page: number): StateKey {
  return systemKey('members', uint32(page));
}

export function operatorIdOf(operator: OwnerId): OperatorId {
  return toHex(operator) as OperatorId;
}

/** Where a node stands among the others for good: nobody knows it when the node is registered. */
export function admissionSeedOf(seed: Digest, registration: Registration, sha256?: Sha256): Digest {
  return digest('admission', [seed, registration], sha256);
}

/** A node with an admission seed, as the epoch's members know it. */
export function memberOf(
  parameters: Parameters,
  node: NodeRecord,
  admissionSeed: Digest,
  isSuspended: boolean,
): Member {
  return {
    node: node.key,
    operator: operatorIdOf(node.operator),
    stake: stakeOf(parameters, node.bonded, node.provenGib),
    capacityBytes: node.capacityBytes,
    admissionSeed,
    domains: node.domains,
    ...(isSuspended ? { isSuspended } : {}),
  };
}

export interface MembersHeader {
  readonly network: NetworkId;
  readonly epoch: Epoch;
  /** Digest of the record before. */
  readonly previous: Digest;
  readonly seed: Digest;
  readonly shardBits: number;
}

export function epochRecordOf(
  parameters: Parameters,
  header: MembersHeader,
  members: readonly Member[],
): EpochRecord {
  const { shardMembersMin, operatorShareDivisor, isTrial } = parameters.storage;
  const { network, epoch, previous, seed, shardBits } = header;
  return {
    network,
    epoch,
    previous,
    seed,
    params: { shardBits, shardMembersMin, operatorShareDivisor, isTrial },
    members: members.toSorted((a, b) => compare(a.node, b.node)),
  };
}

/** Writes the pages of the new epoch over those of the last one, which had `formerCount` members. */
export function putMembers(state: Overlay, members: readonly Member[], formerCount: number): void {
  const pages = pageCount(members.length);
  for (let page = 0; page < pages; page++) {
    const part = members.slice(page * MEMBERS_PER_PAGE, (page + 1) * MEMBERS_PER_PAGE);
    state.put(memberPageKey(page), memberPageRecord, part);
  }
  for (let page = pages; page < pageCount(formerCount); page++) state.remove(memberPageKey(page));
}

/** The members of the epoch that runs, of which there are `count`. */
export function membersOf(state: Overlay, count: number): readonly Member[] {
  const keys = memberPageKeys(count);
  readAll(state, keys);
  return keys.flatMap((key) => state.get(key, memberPageRecord) ?? []);
}

export function memberPageKeys(count: number): readonly StateKey[] {
  return Array.from({ length: pageCount(count) }, (_, page) => memberPageKey(page));
}

const pageCount = (members: number): number => Math.ceil(members / MEMBERS_PER_PAGE);
