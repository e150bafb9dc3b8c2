// The members of the epoch, as rules about objects ask for them: is this node one, whose is it, and does it store for this shard. They lie at
// the system's home and change at borders only, so every home may read them.
//
// Reading thousands of members takes longer than anything else about an object, so what they come to is kept by the digest under which the
// epoch's record names them: the answer is the same with and without.

import { toHex } from '../base/bytes.ts';
import { type EpochRecord, type Member, shardOf } from '../base/epoch.ts';
import type { NetworkId, ObjectId } from '../base/ids.ts';
import { shardMembers } from '../replication/placement.ts';
import { epochStateKey, epochStateOf } from './epoch-state.ts';
import { epochRecordOf, membersOf } from './members.ts';
import type { BlockContext } from './operation.ts';
import { parametersKey, parametersOf } from './parameters.ts';
import type { StateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

export class StorageMembers {
  readonly #record: EpochRecord;
  readonly #byNode: ReadonlyMap<string, Member>;
  readonly #storesFor = new Map<number, ReadonlySet<string>>();

  constructor(record: EpochRecord) {
    this.#record = record;
    this.#byNode = new Map(record.members.map((member) => [toHex(member.node), member]));
  }

  get count(): number {
    return this.#byNode.size;
  }

  /** Members of a trial are not independent: one operator may hold several pieces of a segment. */
  get isTrial(): boolean {
    return this.#record.params.isTrial;
  }

  get(node: Uint8Array): Member | undefined {
    return this.#byNode.get(toHex(node));
  }

  /** Whether the node is a storage member of the object's shard. */
  storesFor(node: Uint8Array, object: ObjectId): boolean {
    const shard = shardOf(object, this.#record.params.shardBits);
    let nodes = this.#storesFor.get(shard);
    if (nodes === undefined) {
      nodes = new Set(shardMembers(this.#record, shard).map((member) => toHex(member.node)));
      this.#storesFor.set(shard, nodes);
    }
    return nodes.has(toHex(node));
  }
}

/** Records that `storageMembersOf` reads first; the pages it finds from them. */
export function touchesOfMembers(): readonly StateKey[] {
  return [epochStateKey(), parametersKey()];
}

/** A chain needs the last two, around a border; the rest is for programs that follow several. */
const KEPT_MAX = 8;
const kept = new Map<string, StorageMembers>();

/** The members of the epoch that runs. Throws MissingRecords. */
export function storageMembersOf(state: Overlay, block: BlockContext): StorageMembers {
  const name = toHex(epochStateOf(state).membersDigest);
  const known = kept.get(name);
  if (known !== undefined) return known;
  const members = new StorageMembers(currentEpochRecord(state, block.network));
  if (kept.size === KEPT_MAX) kept.delete(kept.keys().next().value!);
  kept.set(name, members);
  return members;
}

/** The record of the epoch that runs, whose digest the state names. Throws MissingRecords. */
export function currentEpochRecord(state: Overlay, network: NetworkId): EpochRecord {
  const { epoch, seed, shardBits, previousDigest, memberCount } = epochStateOf(state);
  const header = { network, epoch, previous: previousDigest, seed, shardBits };
  return epochRecordOf(parametersOf(state), header, membersOf(state, memberCount));
}
