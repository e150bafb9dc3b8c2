// The nodes of a forecast: whether they run and have their disk, which is the case, and how they stand by their audits, which is what everybody else
// goes by. Standings are the chain's own (`shards/standing.ts`): a node that shows nothing is suspended, lost and put out by the rules of the network.

import { assert } from '../base/assert.ts';
import { toUtf8, uint32 } from '../base/bytes.ts';
import type { Member } from '../base/epoch.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import type { Digest, NodeId, OperatorId, Stake } from '../base/ids.ts';
import type { Holding, Standing } from '../replication/repair.ts';
import { RepairQueue } from '../replication/repair-queue.ts';
import type { AuditRules } from '../shards/audit-rules.ts';
import { afterRound, type Standing as AuditStanding, stateOf } from '../shards/standing.ts';
import { NODE_INDEX_MAX, type SegmentTable } from './segment-table.ts';

export interface FleetNode {
  readonly index: number;
  readonly member: Member;
  readonly queue: RepairQueue<number>;
  isUp: boolean;
  /** False once it is gone for good. */
  hasDisk: boolean;
  /** What the chain says, and the same as it stands for each of its pieces. */
  view: Standing;
  holding: Holding;
  audits: AuditStanding;
  isRepairing: boolean;
  /** It looks for what to repair next: nobody else makes it look. */
  isChoosing: boolean;
  /** Its audits are followed round by round; those of others pass. */
  isWatched: boolean;
  readonly joinedMs: number;
  /** Pieces that it had when it went down and that were given to others meanwhile: segment and piece. */
  former: (readonly [segment: number, piece: number])[];
}

const NEW: AuditStanding = {
  round: 0,
  provenHeight: 0,
  silentRounds: 0,
  asked: 0,
  failed: 0,
  heldKib: 0,
  score: 1_000_000,
};

export class Fleet {
  readonly nodes: FleetNode[] = [];
  readonly #seed: Uint8Array;
  readonly #sha256: Sha256;
  #members: FleetNode[] = [];
  readonly #byMember = new Map<Member, FleetNode>();

  constructor(seed: Uint8Array, sha256: Sha256) {
    this.#seed = seed;
    this.#sha256 = sha256;
  }

  /** A node like all others: its own operator, equal stake and capacity. */
  join(timeMs: number): FleetNode {
    const index = this.nodes.length;
    assert(index < NODE_INDEX_MAX, 'a table of holders numbers all nodes that ever were');
    const name = (word: string): Uint8Array =>
      digest('admission', [this.#seed, toUtf8(word), uint32(index)], this.#sha256);
    const member: Member = {
      node: name('node') as NodeId,
      operator: `operator-${index}` as OperatorId,
      stake: 100n as Stake,
      capacityBytes: 2 ** 40,
      admissionSeed: name('seed') as Digest,
      domains: [],
    };
    const node: FleetNode = {
      index,
      member,
      queue: new RepairQueue<number>(),
      isUp: true,
      hasDisk: true,
      view: 'healthy',
      holding: { node: member.node, member, standing: 'healthy', isDamaged: false },
      audits: NEW,
      isRepairing: false,
      isChoosing: false,
      isWatched: false,
      joinedMs: timeMs,
      former: [],
    };
    this.nodes.push(node);
    this.#members.push(node);
    this.#byMember.set(member, node);
    return node;
  }

  of(member: Member): FleetNode {
    return this.#byMember.get(member)!;
  }

  /** All that the epoch record would name. */
  get members(): readonly FleetNode[] {
    return this.#members;
  }

  /** The chain has another view of the node. */
  show(node: FleetNode, view: Standing): void {
    const member = view === 'gone' ? undefined : node.member;
    node.view = view;
    node.holding = { node: node.member.node, member, standing: view, isDamaged: false };
    if (member === undefined) this.#members = this.#members.filter((each) => each !== node);
  }

  /** The holdings of a segment as the chain names them. */
  holdings(table: SegmentTable, segment: number, isDamaged: (piece: number) => boolean): readonly Holding[] {
    return Array.from({ length: table.code.n }, (_, piece) => {
      const { holding } = this.nodes[table.holder(segment, piece)]!;
      return isDamaged(piece) ? { ...holding, isDamaged: true } : holding;
    });
  }
}

/** What the chain says of a node after one more round. */
export function judge(
  node: FleetNode,
  round: number,
  finding: Parameters<typeof afterRound>[3],
  rules: AuditRules,
): Standing {
  node.audits = afterRound(node.audits, round, round, finding);
  switch (stateOf(node.audits, rules)) {
    case 'good':
      return 'healthy';
    case 'suspended':
      return 'suspended';
    case 'lost':
      return 'lost';
    case 'expelled':
      return 'gone';
  }
}
